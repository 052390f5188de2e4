// MuJoCo's part of hide and seek alone: the roof of `millrace env bench hide_and_seek_...`.
//
//   hide_and_seek_physics hide_and_seek_full SECONDS [KEY=VALUE ...]
//
// Prints environment steps (15 time steps) per second of episodes whose agents are pushed at
// random; what draws and compiles an episode, and what observes and judges it, is not counted.
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "env/hide_and_seek/action.h"
#include "env/hide_and_seek/scene.h"
#include "env/hide_and_seek/scene_model.h"
#include "millrace/core/status.h"

namespace millrace::hide_and_seek {
namespace {

absl::StatusOr<double> Measure(const Settings& settings, double seconds) {
  using Clock = std::chrono::steady_clock;
  Clock::duration spent{};
  int64_t steps = 0;
  for (uint64_t seed = 0; std::chrono::duration<double>(spent).count() < seconds; ++seed) {
    Rng rng(seed, kWorldStream);
    MILLRACE_ASSIGN_OR_RETURN(const World world, DrawWorld(settings, rng));
    MILLRACE_ASSIGN_OR_RETURN(const auto scene, Scene::Create(settings, world));
    const auto force = [&rng] { return ForceOf(static_cast<int32_t>(rng.Below(kMoveChoices))); };
    const auto begin = Clock::now();
    for (int64_t step = 0; step < settings.horizon; ++step) {
      for (int agent = 0; agent < scene->num_agents(); ++agent) {
        scene->Push(agent, force(), force(), force());
      }
      scene->simulation().Step(kSubsteps);
    }
    spent += Clock::now() - begin;
    steps += settings.horizon;
  }
  return static_cast<double>(steps) / std::chrono::duration<double>(spent).count();
}

absl::StatusOr<double> Run(std::span<char*> words) {
  double seconds = 0;
  if (words.size() < 3 || !absl::SimpleAtod(words[2], &seconds)) {
    return absl::InvalidArgumentError(
        "usage: hide_and_seek_physics ENVIRONMENT SECONDS [KEY=VALUE ...]");
  }
  Options options;
  for (const std::string word : words.subspan(3)) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) {
      return absl::InvalidArgumentError(word + ": expected KEY=VALUE");
    }
    options.Set(word.substr(0, equals), {.items = {word.substr(equals + 1)}, .where = word});
  }
  MILLRACE_ASSIGN_OR_RETURN(const Settings settings, ReadSettings(options, words[1]));
  return Measure(settings, seconds);
}

}  // namespace
}  // namespace millrace::hide_and_seek

int main(int argc, char** argv) {
  const auto rate = millrace::hide_and_seek::Run({argv, static_cast<size_t>(argc)});
  if (!rate.ok()) {
    std::cerr << rate.status().message() << "\n";
    return EXIT_FAILURE;
  }
  std::cout << *rate << "\n";
}
