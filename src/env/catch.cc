// Catch a falling ball: the smallest task whose observation is a picture (see
// builtin_environments.h). Steps are those of bsuite's catch.
#include <algorithm>

#include "env/builtin_environments.h"
#include "env/classic_control.h"

namespace millrace {
namespace {

class Catch : public Environment {
 public:
  Catch(int64_t rows, int64_t columns) : rows_(rows), columns_(columns) {
    const Field board{"observation", DType::kUInt8, {rows, columns, 1}, Extent::kRows};
    spec_.agents = {{"agent_0", {{board}}, ActionSpec::Discrete(3)}};
  }

  const EnvironmentSpec& spec() const override { return spec_; }

  absl::Status Reset(uint64_t seed, std::span<AgentSlot> agents) override {
    ball_ = static_cast<int64_t>(Rng(seed, 0).Below(static_cast<uint64_t>(columns_)));
    paddle_ = columns_ / 2;
    step_ = 0;
    Observe(agents);
    return absl::OkStatus();
  }

  absl::Status Step(std::span<AgentSlot> agents) override {
    paddle_ = std::clamp<int64_t>(paddle_ + agents[0].discrete[0] - 1, 0, columns_ - 1);
    ++step_;
    const bool landed = step_ == rows_ - 1;
    if (landed) agents[0].reward = ball_ == paddle_ ? 1.0f : -1.0f;
    agents[0].terminated = landed;
    Observe(agents);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<double>> PhysicalState() const override {
    return std::vector<double>{static_cast<double>(ball_), static_cast<double>(paddle_)};
  }
  ExtraState Extra() const override { return {{"step", {static_cast<double>(step_)}}}; }

  absl::Status ResetTo(std::span<const double> state, const ExtraState& extra,
                       std::span<AgentSlot> agents) override;

  absl::StatusOr<std::string> SaveState() const override {
    StateWriter writer;
    writer.Put(ball_);
    writer.Put(paddle_);
    writer.Put(step_);
    return writer.Take();
  }
  absl::Status RestoreState(std::string_view saved, std::span<AgentSlot> agents) override;

 private:
  static constexpr uint8_t kLit = 255;

  void Observe(std::span<AgentSlot> agents) const {
    agents[0].present = true;
    const std::span<uint8_t> board = agents[0].observation[0].As<uint8_t>();
    std::ranges::fill(board, uint8_t{0});
    board[static_cast<size_t>(step_ * columns_ + ball_)] = kLit;
    board[static_cast<size_t>((rows_ - 1) * columns_ + paddle_)] = kLit;
  }

  const int64_t rows_, columns_;
  EnvironmentSpec spec_;
  int64_t ball_ = 0, paddle_ = 0;  // columns
  int64_t step_ = 0;               // and the row of the ball
};

absl::Status Catch::ResetTo(std::span<const double> state, const ExtraState& extra,
                            std::span<AgentSlot> agents) {
  MILLRACE_RETURN_IF_ERROR(CheckStateSize(2, state));
  for (const double column : state) {
    if (IsWholeNumber(column, static_cast<double>(columns_ - 1))) continue;
    return absl::InvalidArgumentError(absl::StrCat("state: ball and paddle: expected columns 0 to ",
                                                   columns_ - 1, ", got ", column));
  }
  MILLRACE_ASSIGN_OR_RETURN(const auto numbers,
                            ReadExtra(extra, {{"step", static_cast<double>(rows_ - 2)}}));
  ball_ = static_cast<int64_t>(state[0]);
  paddle_ = static_cast<int64_t>(state[1]);
  step_ = static_cast<int64_t>(numbers.at("step"));
  Observe(agents);
  return absl::OkStatus();
}

absl::Status Catch::RestoreState(std::string_view saved, std::span<AgentSlot> agents) {
  StateReader reader(saved);
  reader.Get(ball_);
  reader.Get(paddle_);
  reader.Get(step_);
  MILLRACE_RETURN_IF_ERROR(reader.Finish());
  const auto is_column = [this](int64_t column) { return column >= 0 && column < columns_; };
  if (!is_column(ball_) || !is_column(paddle_) || step_ < 0 || step_ > rows_ - 2) {
    return absl::DataLossError("saved state of catch: off the board");
  }
  Observe(agents);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Environment>> MakeCatch(const Options& options) {
  const int64_t rows = options.GetInt("rows", 10, 2, 1000);
  const int64_t columns = options.GetInt("columns", 5, 1, 1000);
  MILLRACE_RETURN_IF_ERROR(options.Finish("catch"));
  return std::make_unique<Catch>(rows, columns);
}

}  // namespace millrace
