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
  const std::string engine = " (limit 1000, MuJoCo " + std::string(MujocoVersion()) + ")";
  registry.AddEnvironment("half_cheetah", MakeHalfCheetah,
                          "HalfCheetah-v5: a planar two-legged runner" + engine);
  registry.AddEnvironment("hopper", MakeHopper, "Hopper-v5: a planar one-legged hopper" + engine);
  registry.AddEnvironment("walker2d", MakeWalker2d, "Walker2d-v5: a planar walker" + engine);
  registry.AddEnvironment("ant", MakeAnt, "Ant-v5: a four-legged runner" + engine);
  registry.AddEnvironment("humanoid", MakeHumanoid, "Humanoid-v5: a walker on two legs" + engine);
}

Registry BuiltinRegistry() {
  Registry registry;
  RegisterBuiltins(registry);
  return registry;
}

}  // namespace millrace
