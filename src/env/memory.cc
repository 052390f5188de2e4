// A cue, a delay, a query: the smallest task that needs memory (see builtin_environments.h).
#include "env/builtin_environments.h"
#include "env/classic_control.h"

namespace millrace {
namespace {

class Memory : public Environment {
 public:
  Memory(int64_t choices, int64_t delay, double noise)
      : spec_(ClassicSpec(choices + 1, ActionSpec::Discrete(static_cast<int32_t>(choices)))),
        choices_(choices),
        query_step_(delay + 1),
        noise_(noise) {}

  const EnvironmentSpec& spec() const override { return spec_; }

  absl::Status Reset(uint64_t seed, std::span<AgentSlot> agents) override {
    cue_ = static_cast<int64_t>(Rng(seed, 0).Below(static_cast<uint64_t>(choices_)));
    noise_seed_ = seed & kNoiseSeedMask;
    step_ = 0;
    Observe(agents);
    return absl::OkStatus();
  }

  absl::Status Step(std::span<AgentSlot> agents) override {
    const bool queried = step_ == query_step_;
    agents[0].reward = queried && agents[0].discrete[0] == cue_ ? 1.0f : 0.0f;
    agents[0].terminated = queried;
    ++step_;
    Observe(agents);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<double>> PhysicalState() const override {
    return std::vector<double>{static_cast<double>(cue_)};
  }
  ExtraState Extra() const override {
    return {{"step", {static_cast<double>(step_)}},
            {"noise_seed", {static_cast<double>(noise_seed_)}}};
  }

  absl::Status ResetTo(std::span<const double> state, const ExtraState& extra,
                       std::span<AgentSlot> agents) override;

  absl::StatusOr<std::string> SaveState() const override {
    StateWriter writer;
    writer.Put(cue_);
    writer.Put(step_);
    writer.Put(noise_seed_);
    return writer.Take();
  }
  absl::Status RestoreState(std::string_view saved, std::span<AgentSlot> agents) override {
    StateReader reader(saved);
    reader.Get(cue_);
    reader.Get(step_);
    reader.Get(noise_seed_);
    MILLRACE_RETURN_IF_ERROR(reader.Finish());
    if (cue_ < 0 || cue_ >= choices_) return absl::DataLossError("saved state of memory: bad cue");
    Observe(agents);
    return absl::OkStatus();
  }

 private:
  // So that the seed is exact as a double in `extra`.
  static constexpr uint64_t kNoiseSeedMask = (uint64_t{1} << 53) - 1;

  void Observe(std::span<AgentSlot> agents) {
    agents[0].present = true;
    const std::span<float> out = agents[0].observation[0].As<float>();
    std::ranges::fill(out, 0.0f);
    const std::span<float> cues = out.first(static_cast<size_t>(choices_));
    if (step_ == 0) {
      cues[static_cast<size_t>(cue_)] = 1.0f;
    } else if (noise_ > 0) {
      Rng rng(noise_seed_, static_cast<uint64_t>(step_));
      for (float& value : cues) value = static_cast<float>(rng.Uniform(0.0, noise_));
    }
    out.back() = step_ == query_step_ ? 1.0f : 0.0f;
  }

  const EnvironmentSpec spec_;
  const int64_t choices_;
  const int64_t query_step_;
  const double noise_;
  int64_t cue_ = 0;
  int64_t step_ = 0;
  uint64_t noise_seed_ = 0;
};

absl::Status Memory::ResetTo(std::span<const double> state, const ExtraState& extra,
                             std::span<AgentSlot> agents) {
  MILLRACE_RETURN_IF_ERROR(CheckStateSize(1, state));
  if (!IsWholeNumber(state[0], static_cast<double>(choices_ - 1))) {
    return absl::InvalidArgumentError(
        absl::StrCat("state: cue: expected 0 to ", choices_ - 1, ", got ", state[0]));
  }
  MILLRACE_ASSIGN_OR_RETURN(
      const auto numbers, ReadExtra(extra, {{"step", static_cast<double>(query_step_)},
                                            {"noise_seed", static_cast<double>(kNoiseSeedMask)}}));
  cue_ = static_cast<int64_t>(state[0]);
  step_ = static_cast<int64_t>(numbers.at("step"));
  noise_seed_ = static_cast<uint64_t>(numbers.at("noise_seed"));
  Observe(agents);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Environment>> MakeMemory(const Options& options) {
  const int64_t choices = options.GetInt("choices", 2, 2, 1000);
  const int64_t delay = options.GetInt("delay", 8, 0, 1'000'000);
  const double noise = options.GetDouble("noise", 0.0, 0.0, 1e6);
  MILLRACE_RETURN_IF_ERROR(options.Finish("memory"));
  return std::make_unique<Memory>(choices, delay, noise);
}

}  // namespace millrace
