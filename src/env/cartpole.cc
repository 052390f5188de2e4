#include "env/cartpole.h"

#include "env/builtin_environments.h"

namespace millrace {

absl::StatusOr<std::unique_ptr<Environment>> MakeCartPole(const Options& options) {
  const bool velocity = options.GetBool("velocity", true);
  return MakeClassicControl(CartPole(velocity), options, CartPole::kMaxEpisodeSteps, "cartpole");
}

}  // namespace millrace
