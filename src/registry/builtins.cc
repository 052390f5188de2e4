#include <spdlog/fmt/fmt.h>

#include "clicks/click_datasets.h"
#include "env/builtin_environments.h"
#include "millrace/registry/registry.h"
#include "registry/lazy_plugin.h"

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
  registry.AddEnvironment("catch", MakeCatch,
                          "catch a falling ball with a paddle, from a picture (optimum 1.0)");
  registry.AddEnvironment("two_agent_cartpole", MakeTwoAgentCartPole,
                          "two CartPoles as agents agent_0 and agent_1");
  registry.AddEnvironment("assortment", MakeAssortment,
                          "everything at once: dictionary observation, tuple action, masks, agents "
                          "that come and go");
  registry.AddEnvironment("rec_slate", MakeRecSlate,
                          "recommend 3 of 10 items by ids alone to users whose patience is finite");
  registry.AddDataset(
      "teacher_clicks", clicks::MakeTeacherClicks,
      "TeacherCTR-8: clicks of which is known how well they can be told (AUC 0.8235)");
  registry.AddDataset("random_clicks", clicks::MakeRandomClicks,
                      "clicks that nobody can tell, as of DLRM's reference program");
  registry.AddDataset("click_log", clicks::MakeClickLog,
                      "a log in the format of Criteo's: label, integers, hexadecimal ids");
  const LazyPlugin mujoco("libmillrace-mujoco.so");
  const auto add = [&](const std::string& name, const std::string& line, int limit = 1000) {
    registry.AddEnvironment(
        name, mujoco.Environment(name),
        fmt::format("{} (limit {}, MuJoCo " MILLRACE_MUJOCO_VERSION ")", line, limit));
  };
  add("half_cheetah", "HalfCheetah-v5: a planar two-legged runner");
  add("hopper", "Hopper-v5: a planar one-legged hopper");
  add("walker2d", "Walker2d-v5: a planar walker");
  add("ant", "Ant-v5: a four-legged runner");
  add("humanoid", "Humanoid-v5: a walker on two legs");
  add("hide_and_seek_quadrant", "hide and seek around one room, 2 against 2", 80);
  add("hide_and_seek_full", "hide and seek in random rooms, 1-3 against 1-3", 240);
  add("hide_and_seek_large", "the same on a floor 1.5 to 4 times as wide", 240);
  add("hide_and_seek_lock_and_return", "one agent of it locks a box and goes back", 120);
  add("hide_and_seek_sequential_lock", "... locks boxes in an order that it has to find", 120);
  add("hide_and_seek_blueprint", "... puts boxes where they are wanted", 150);
  add("hide_and_seek_shelter", "... puts boxes around a cylinder", 240);
  add("hide_and_seek_counting", "... watches boxes and says how many went to the right", 49);
}

Registry BuiltinRegistry() {
  Registry registry;
  RegisterBuiltins(registry);
  return registry;
}

}  // namespace millrace
