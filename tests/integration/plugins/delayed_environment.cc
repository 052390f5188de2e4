// An environment whose steps take as long as asked. Episodes have 1,000 of them.
#include <chrono>
#include <memory>
#include <thread>

#include "millrace/core/status.h"
#include "millrace/env/environment.h"
#include "millrace/registry/plugin.h"
#include "millrace/registry/registry.h"

namespace {

class Delayed : public millrace::Environment {
 public:
  explicit Delayed(std::chrono::microseconds step) : step_(step) {
    spec_.agents = {
        {.name = "agent", .observation = {}, .action = millrace::ActionSpec::Discrete(2)}};
    spec_.agents[0].observation.fields = {{"position", millrace::DType::kFloat32, {1}}};
  }

  const millrace::EnvironmentSpec& spec() const override { return spec_; }

  absl::Status Reset(uint64_t, std::span<millrace::AgentSlot> agents) override {
    agents[0].present = true;
    steps_ = 0;
    return absl::OkStatus();
  }

  absl::Status Step(std::span<millrace::AgentSlot> agents) override {
    std::this_thread::sleep_for(step_);
    agents[0].reward = static_cast<float>(agents[0].discrete[0]);
    agents[0].truncated = ++steps_ == 1000;
    return absl::OkStatus();
  }

 private:
  const std::chrono::microseconds step_;
  millrace::EnvironmentSpec spec_;
  int steps_ = 0;
};

}  // namespace

MILLRACE_PLUGIN_ABI
extern "C" void MillraceRegister(millrace::Registry& registry) {
  const auto create = [](const millrace::Options& options)
      -> absl::StatusOr<std::unique_ptr<millrace::Environment>> {
    const std::chrono::microseconds step(options.GetInt("step_us", 0, 0, 1'000'000));
    MILLRACE_RETURN_IF_ERROR(options.Finish("delayed"));
    return std::make_unique<Delayed>(step);
  };
  registry.AddEnvironment("delayed", create, "steps that take a given time");
}
