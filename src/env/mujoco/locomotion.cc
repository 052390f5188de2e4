#include "env/mujoco/locomotion.h"

#include <cstring>
#include <vector>

#include "env/classic_control.h"
#include "env/extra_state.h"
#include "env/mujoco/locomotion_task.h"
#include "env/mujoco/renderer.h"
#include "env/state_bytes.h"
#include "millrace/core/rng.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr int64_t kTimeLimit = 1000;

// In Gymnasium's order of operations.
class Locomotion final : public Environment {
 public:
  Locomotion(std::unique_ptr<LocomotionTask> task, std::unique_ptr<MujocoSimulation> simulation,
             int64_t max_episode_steps)
      : task_(std::move(task)),
        simulation_(std::move(simulation)),
        step_seconds_(simulation_->model().opt.timestep * task_->frame_skip()),
        max_episode_steps_(max_episode_steps) {
    const mjModel& model = simulation_->model();
    std::vector<float> low, high;
    for (int i = 0; i < model.nu; ++i) {
      low.push_back(static_cast<float>(model.actuator_ctrlrange[2 * i]));
      high.push_back(static_cast<float>(model.actuator_ctrlrange[2 * i + 1]));
    }
    spec_ = ClassicSpec(task_->observation_size(model),
                        ActionSpec::Continuous(std::move(low), std::move(high)), DType::kFloat64);
  }

  const EnvironmentSpec& spec() const override { return spec_; }

  absl::Status Reset(uint64_t seed, std::span<AgentSlot> agents) override {
    const mjModel& model = simulation_->model();
    const ResetNoise noise = task_->reset_noise();
    Rng rng(seed, 0);
    std::vector<double> qpos(model.qpos0, model.qpos0 + model.nq);
    std::vector<double> qvel(static_cast<size_t>(model.nv));
    for (double& value : qpos) value += rng.Uniform(-noise.position, noise.position);
    for (double& value : qvel) {
      value = noise.normal_velocity ? noise.velocity * rng.Normal()
                                    : rng.Uniform(-noise.velocity, noise.velocity);
    }
    Begin(qpos, qvel, /*step=*/0, agents);
    return absl::OkStatus();
  }

  absl::Status Step(std::span<AgentSlot> agents) override {
    AgentSlot& agent = agents[0];
    // Not clipped: MuJoCo clamps the motors inside, the cost of control is of what was asked for.
    std::ranges::copy(agent.continuous, simulation_->data().ctrl);
    simulation_->Step(task_->frame_skip());
    if (task_->reads_contact_forces()) {
      mj_rnePostConstraint(&simulation_->model(), &simulation_->data());
    }
    const double before = std::exchange(position_, task_->Position(*simulation_));
    const double velocity = (position_ - before) / step_seconds_;
    const bool healthy = task_->Healthy(*simulation_);
    ++step_;
    agent.reward =
        static_cast<float>(task_->Reward(*simulation_, agent.continuous, velocity, healthy));
    agent.terminated = !healthy;
    agent.truncated = step_ >= max_episode_steps_;
    Observe(agents);
    return absl::OkStatus();
  }

  // The camera follows the first body, which all others hang on.
  absl::StatusOr<Image> Render(int width, int height) override {
    MILLRACE_RETURN_IF_ERROR(PrepareRenderer(*simulation_, width, height, renderer_));
    mjvCamera camera;
    mjv_defaultFreeCamera(&simulation_->model(), &camera);
    camera.type = mjCAMERA_TRACKING;
    camera.trackbodyid = 1;
    return renderer_->Render(camera);
  }

  // qpos, then qvel.
  absl::StatusOr<std::vector<double>> PhysicalState() const override {
    std::vector<double> state(simulation_->qpos().begin(), simulation_->qpos().end());
    state.insert(state.end(), simulation_->qvel().begin(), simulation_->qvel().end());
    return state;
  }
  ExtraState Extra() const override { return {{"step", {static_cast<double>(step_)}}}; }

  absl::Status ResetTo(std::span<const double> state, const ExtraState& extra,
                       std::span<AgentSlot> agents) override {
    const auto positions = static_cast<size_t>(simulation_->model().nq);
    const auto velocities = static_cast<size_t>(simulation_->model().nv);
    MILLRACE_RETURN_IF_ERROR(CheckStateSize(positions + velocities, state));
    MILLRACE_ASSIGN_OR_RETURN(const auto numbers, ReadExtra(extra, {{"step", kMaxWholeNumber}}));
    Begin(state.first(positions), state.subspan(positions),
          static_cast<int64_t>(numbers.at("step")), agents);
    return absl::OkStatus();
  }

  // The observation and the position belong to an evaluation inside the last mj_step, which cannot
  // be repeated from the state after it.
  absl::StatusOr<std::string> SaveState() const override {
    StateWriter writer;
    writer.Put(step_);
    writer.Put(position_);
    writer.PutString(
        {reinterpret_cast<const char*>(observation_.data()), observation_.size() * sizeof(double)});
    writer.PutString(simulation_->SaveState());
    return writer.Take();
  }

  absl::Status RestoreState(std::string_view saved, std::span<AgentSlot> agents) override {
    StateReader reader(saved);
    reader.Get(step_);
    reader.Get(position_);
    const std::string_view observation = reader.GetString();
    const std::string_view simulation = reader.GetString();
    MILLRACE_RETURN_IF_ERROR(reader.Finish());
    if (observation.size() != observation_.size() * sizeof(double)) {
      return absl::DataLossError("saved environment state: the observation's length is wrong");
    }
    MILLRACE_RETURN_IF_ERROR(simulation_->RestoreState(simulation));
    std::memcpy(observation_.data(), observation.data(), observation.size());
    Show(agents);
    return absl::OkStatus();
  }

 private:
  void Begin(std::span<const double> qpos, std::span<const double> qvel, int64_t step,
             std::span<AgentSlot> agents) {
    simulation_->Begin(qpos, qvel);
    position_ = task_->Position(*simulation_);
    step_ = step;
    Observe(agents);
  }

  void Observe(std::span<AgentSlot> agents) {
    task_->Observe(*simulation_, observation_);
    Show(agents);
  }

  void Show(std::span<AgentSlot> agents) const {
    agents[0].present = true;
    std::ranges::copy(observation_, agents[0].observation[0].As<double>().begin());
  }

  const std::unique_ptr<LocomotionTask> task_;
  const std::unique_ptr<MujocoSimulation> simulation_;
  std::unique_ptr<MujocoRenderer> renderer_;  // once there was a picture
  const double step_seconds_;
  const int64_t max_episode_steps_;
  EnvironmentSpec spec_;
  std::vector<double> observation_ =
      std::vector<double>(static_cast<size_t>(task_->observation_size(simulation_->model())));
  double position_ = 0;
  int64_t step_ = 0;
};

absl::StatusOr<std::unique_ptr<Environment>> Make(std::unique_ptr<LocomotionTask> task,
                                                  const Options& options, std::string_view name) {
  const int64_t limit = MaxEpisodeSteps(options, kTimeLimit);
  MILLRACE_RETURN_IF_ERROR(options.Finish(name));
  MILLRACE_ASSIGN_OR_RETURN(auto simulation, MujocoSimulation::Create(task->model(), name));
  return std::make_unique<Locomotion>(std::move(task), std::move(simulation), limit);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Environment>> MakeHalfCheetah(const Options& options) {
  return Make(MakeHalfCheetahTask(), options, "half_cheetah");
}
absl::StatusOr<std::unique_ptr<Environment>> MakeHopper(const Options& options) {
  return Make(MakeHopperTask(), options, "hopper");
}
absl::StatusOr<std::unique_ptr<Environment>> MakeWalker2d(const Options& options) {
  return Make(MakeWalker2dTask(), options, "walker2d");
}
absl::StatusOr<std::unique_ptr<Environment>> MakeAnt(const Options& options) {
  return Make(MakeAntTask(), options, "ant");
}
absl::StatusOr<std::unique_ptr<Environment>> MakeHumanoid(const Options& options) {
  return Make(MakeHumanoidTask(), options, "humanoid");
}

}  // namespace millrace
