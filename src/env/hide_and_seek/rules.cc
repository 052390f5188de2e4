#include "env/hide_and_seek/rules.h"

#include "env/hide_and_seek/hide_and_seek_rules.h"
#include "env/hide_and_seek/transfer/blueprint.h"
#include "env/hide_and_seek/transfer/box_locking.h"
#include "env/hide_and_seek/transfer/counting.h"
#include "env/hide_and_seek/transfer/shelter.h"

namespace millrace::hide_and_seek {

std::unique_ptr<Rules> MakeRules(const Settings& settings) {
  switch (settings.game) {
    case Game::kHideAndSeek:
      return std::make_unique<HideAndSeekRules>(settings);
    case Game::kLockAndReturn:
    case Game::kSequentialLock:
      return std::make_unique<BoxLocking>(settings);
    case Game::kBlueprint:
      return std::make_unique<Blueprint>();
    case Game::kShelter:
      return std::make_unique<Shelter>(settings);
    case Game::kCounting:
      return std::make_unique<Counting>(settings);
  }
  return nullptr;
}

}  // namespace millrace::hide_and_seek
