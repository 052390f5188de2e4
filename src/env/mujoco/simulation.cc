#include "env/mujoco/simulation.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace millrace {
namespace {

// Contact margins, warm starts and weld data are those of MuJoCo 3.5 and later.
static_assert(mjVERSION_HEADER >= 3005000);

constexpr unsigned kStateParts = mjSTATE_INTEGRATION;

// MuJoCo's own handlers write MUJOCO_LOG.TXT into the working directory.
void InstallHandlers() {
  mju_user_warning = [](const char* message) { spdlog::warn("MuJoCo: {}", message); };
  mju_user_error = [](const char* message) {
    spdlog::critical("MuJoCo: {}", message);
    std::abort();
  };
}

absl::Status Refused(std::string_view name, const char* error) {
  return absl::InvalidArgumentError(absl::StrCat("model of ", std::string(name), ": ", error));
}

}  // namespace

absl::StatusOr<std::unique_ptr<MujocoSimulation>> MujocoSimulation::Create(const char* mjcf,
                                                                           std::string_view name) {
  InstallHandlers();
  std::array<char, 1024> error{};
  mjSpec* const spec = mj_parseXMLString(mjcf, nullptr, error.data(), error.size());
  if (spec == nullptr) return Refused(name, error.data());
  auto simulation = Compile(spec, name);
  mj_deleteSpec(spec);
  return simulation;
}

absl::StatusOr<std::unique_ptr<MujocoSimulation>> MujocoSimulation::Compile(mjSpec* spec,
                                                                            std::string_view name) {
  InstallHandlers();
  auto simulation = std::unique_ptr<MujocoSimulation>(new MujocoSimulation);
  simulation->model_.reset(mj_compile(spec, nullptr));
  if (simulation->model_ == nullptr) return Refused(name, mjs_getError(spec));
  simulation->data_.reset(mj_makeData(simulation->model_.get()));
  if (simulation->data_ == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("model of ", std::string(name), ": no memory for its data"));
  }
  return simulation;
}

void MujocoSimulation::Begin(std::span<const double> qpos, std::span<const double> qvel) {
  mj_resetData(model_.get(), data_.get());
  std::ranges::copy(qpos, data_->qpos);
  std::ranges::copy(qvel, data_->qvel);
  mj_forward(model_.get(), data_.get());
}

void MujocoSimulation::Step(int count) {
  for (int i = 0; i < count; ++i) mj_step(model_.get(), data_.get());
}

std::string MujocoSimulation::SaveState() const {
  const auto numbers = static_cast<size_t>(mj_stateSize(model_.get(), kStateParts));
  std::string state(numbers * sizeof(mjtNum), '\0');
  mj_getState(model_.get(), data_.get(), reinterpret_cast<mjtNum*>(state.data()), kStateParts);
  return state;
}

absl::Status MujocoSimulation::RestoreState(std::string_view state) {
  std::string copy(state);  // aligned
  if (copy.size() != SaveState().size()) {
    return absl::DataLossError("saved MuJoCo state: the length is wrong");
  }
  mj_resetData(model_.get(), data_.get());
  mj_setState(model_.get(), data_.get(), reinterpret_cast<const mjtNum*>(copy.data()), kStateParts);
  return absl::OkStatus();
}

}  // namespace millrace
