#include "env/hide_and_seek/rules.h"

#include "env/hide_and_seek/hide_and_seek_rules.h"
#include "env/hide_and_seek/transfer/box_locking.h"

namespace millrace::hide_and_seek {

std::unique_ptr<Rules> MakeRules(const Settings& settings) {
  switch (settings.game) {
    case Game::kHideAndSeek:
      return std::make_unique<HideAndSeekRules>(settings);
    case Game::kLockAndReturn:
      return std::make_unique<BoxLocking>(settings);
  }
  return nullptr;
}

}  // namespace millrace::hide_and_seek
