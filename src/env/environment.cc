#include "millrace/env/environment.h"

namespace millrace {

std::optional<Drawing> Environment::Draw() const { return std::nullopt; }

absl::StatusOr<Image> Environment::Render(int, int) {
  return absl::UnimplementedError("this environment has no renderer");
}

absl::StatusOr<std::vector<double>> Environment::PhysicalState() const {
  return absl::UnimplementedError("this environment does not tell its physical state");
}

ExtraState Environment::Extra() const { return {}; }

absl::Status Environment::ResetTo(std::span<const double>, const ExtraState&,
                                  std::span<AgentSlot>) {
  return absl::UnimplementedError("this environment cannot begin in a given state");
}

absl::StatusOr<std::string> Environment::SaveState() const {
  return absl::UnimplementedError("this environment cannot save its state");
}

absl::Status Environment::RestoreState(std::string_view, std::span<AgentSlot>) {
  return absl::UnimplementedError("this environment cannot restore its state");
}

}  // namespace millrace
