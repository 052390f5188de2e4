// A contextual bandit: the agent sees 16 numbers and picks one of 8 arms. The best one is where a
// fixed linear map of the numbers is largest; an episode pays the share of 32 rounds in which it
// was picked.
#include <algorithm>
#include <array>
#include <memory>

#include "millrace/core/rng.h"
#include "millrace/core/status.h"
#include "millrace/env/environment.h"
#include "millrace/registry/plugin.h"
#include "millrace/registry/registry.h"

namespace {

class Bandit : public millrace::Environment {
 public:
  static absl::StatusOr<std::unique_ptr<millrace::Environment>> Create(
      const millrace::Options& options) {
    MILLRACE_RETURN_IF_ERROR(options.Finish("bandit"));
    return std::make_unique<Bandit>();
  }

  Bandit() {
    millrace::AgentSpec agent;
    agent.name = "player";
    agent.observation.fields = {{"context", millrace::DType::kFloat32, {kNumbers}}};
    agent.action = millrace::ActionSpec::Discrete(kArms);
    spec_.agents = {agent};
    millrace::Rng rng(/*seed=*/1, /*stream=*/0);
    for (auto& arm : map_) {
      for (double& weight : arm) weight = rng.Normal();
    }
  }

  const millrace::EnvironmentSpec& spec() const override { return spec_; }

  absl::Status Reset(uint64_t seed, std::span<millrace::AgentSlot> agents) override {
    rng_ = millrace::Rng(seed, /*stream=*/1);
    round_ = 0;
    agents[0].present = true;
    Deal(agents[0]);
    return absl::OkStatus();
  }

  absl::Status Step(std::span<millrace::AgentSlot> agents) override {
    agents[0].reward = agents[0].discrete[0] == best_ ? 1.0f / kRounds : 0.0f;
    agents[0].terminated = ++round_ == kRounds;
    Deal(agents[0]);
    return absl::OkStatus();
  }

 private:
  static constexpr int kNumbers = 16, kArms = 8, kRounds = 32;

  void Deal(const millrace::AgentSlot& agent) {
    std::array<double, kArms> payments{};
    float* context = agent.observation[0].As<float>().data();
    for (int i = 0; i < kNumbers; ++i) {
      context[i] = static_cast<float>(rng_.Normal());
      for (int arm = 0; arm < kArms; ++arm) payments[arm] += map_[arm][i] * context[i];
    }
    best_ = std::max_element(payments.begin(), payments.end()) - payments.begin();
  }

  millrace::EnvironmentSpec spec_;
  std::array<std::array<double, kNumbers>, kArms> map_{};
  millrace::Rng rng_{/*seed=*/0, /*stream=*/1};
  std::ptrdiff_t best_ = 0;
  int round_ = 0;
};

}  // namespace

MILLRACE_PLUGIN_ABI
extern "C" void MillraceRegister(millrace::Registry& registry) {
  registry.AddEnvironment("bandit", Bandit::Create, "pick the best of eight arms");
}
