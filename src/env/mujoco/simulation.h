// One MuJoCo model with its data.
#pragma once

#include <mujoco/mujoco.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millrace {

// Thread-compatible. MuJoCo's warnings go to the log; its errors end the process.
class MujocoSimulation {
 public:
  // `mjcf`: the model as self-contained XML. kInvalidArgument with the compiler's message.
  static absl::StatusOr<std::unique_ptr<MujocoSimulation>> Create(const char* mjcf,
                                                                  std::string_view name);
  // The same of a model made by calls.
  static absl::StatusOr<std::unique_ptr<MujocoSimulation>> Compile(mjSpec* spec,
                                                                   std::string_view name);

  mjModel& model() { return *model_; }
  const mjModel& model() const { return *model_; }
  mjData& data() { return *data_; }
  const mjData& data() const { return *data_; }
  std::span<const double> qpos() const { return {data_->qpos, static_cast<size_t>(model_->nq)}; }
  std::span<const double> qvel() const { return {data_->qvel, static_cast<size_t>(model_->nv)}; }

  // Forgets everything, sets positions and velocities and computes what follows from them.
  void Begin(std::span<const double> qpos, std::span<const double> qvel);
  // `count` time steps with the controls as they are.
  void Step(int count);

  // Everything the next step depends on, the solver's warm start included. What is derived from it
  // (positions of bodies, contact forces) is not restored. kDataLoss for another size.
  std::string SaveState() const;
  absl::Status RestoreState(std::string_view state);

 private:
  struct Delete {
    void operator()(mjModel* model) const { mj_deleteModel(model); }
    void operator()(mjData* data) const { mj_deleteData(data); }
  };

  std::unique_ptr<mjModel, Delete> model_;
  std::unique_ptr<mjData, Delete> data_;
};

}  // namespace millrace
