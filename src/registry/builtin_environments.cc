#include "env/builtin_environments.h"

#include "millrace/registry/registry.h"

namespace millrace {

void RegisterBuiltins(Registry& registry) {
  registry.AddEnvironment("cartpole", MakeCartPole,
                          "CartPole-v1: balance a pole on a cart (limit 500, velocity: false hides "
                          "the velocities)");
  registry.AddVectorEnvironment("cartpole", MakeCartPoleBatch);
  registry.AddEnvironment("pendulum", MakePendulum,
                          "Pendulum-v1: swing up and hold, continuous torque (limit 200)");
  registry.AddEnvironment("acrobot", MakeAcrobot,
                          "Acrobot-v1: swing a two-link arm above the line (limit 500)");
  registry.AddEnvironment("mountain_car", MakeMountainCar,
                          "MountainCar-v0: rock a car out of a valley (limit 200)");
  registry.AddEnvironment("memory", MakeMemory,
                          "a cue, a delay, a query: needs a recurrent policy (optimum 1.0)");
  registry.AddEnvironment("two_agent_cartpole", MakeTwoAgentCartPole,
                          "two CartPoles as agents agent_0 and agent_1");
  registry.AddEnvironment("assortment", MakeAssortment,
                          "everything at once: dictionary observation, tuple action, masks, agents "
                          "that come and go");
}

Registry BuiltinRegistry() {
  Registry registry;
  RegisterBuiltins(registry);
  return registry;
}

}  // namespace millrace
