#include "env/hide_and_seek/scene.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "env/hide_and_seek/scene_model.h"
#include "env/state_bytes.h"
#include "millrace/core/status.h"

// Exported by MuJoCo's library, though not in its headers: computes from tree_asleep who sleeps.
extern "C" void mj_updateSleep(const mjModel* model, mjData* data);

namespace millrace::hide_and_seek {
namespace {

constexpr int kMotors = 3;  // of an agent: force along x and y, torque about z
// Any change of velocity wakes a sleeping body; switching its limits off does not.
constexpr double kNudge = 1e-9;

// Where a weld keeps the relation in its data: after the anchor.
constexpr int kRelation = 3;

Vector3 ToVector(const mjtNum* numbers) { return {numbers[0], numbers[1], numbers[2]}; }

// How far outside of a cuboid a point is along one axis.
double Outside(double offset, double half) { return std::max(0.0, std::abs(offset) - half); }

}  // namespace

absl::StatusOr<std::unique_ptr<Scene>> Scene::Create(const Settings& settings, const World& world) {
  MILLRACE_ASSIGN_OR_RETURN(auto simulation, CompileScene(settings, world));
  std::unique_ptr<Scene> scene(new Scene(std::move(simulation), world, settings));
  scene->AddShapes(world, settings);
  std::vector<double> qpos(static_cast<size_t>(scene->model().nq));
  const auto put = [&qpos](int body, double x, double y) {
    qpos[static_cast<size_t>(kJoints * body)] = x;
    qpos[static_cast<size_t>(kJoints * body + 1)] = y;
  };
  int body = 0;
  for (const auto& [x, y] : world.agents) put(body++, x, y);
  for (const auto* things : {&world.boxes, &world.ramps}) {
    for (const Thing& thing : *things) put(body++, thing.x, thing.y);
  }
  scene->SetState(qpos, std::vector<double>(qpos.size()));
  return scene;
}

Scene::Scene(std::unique_ptr<MujocoSimulation> simulation, const World& world,
             const Settings& settings)
    : simulation_(std::move(simulation)),
      num_agents_(world.num_agents()),
      num_boxes_(static_cast<int>(world.boxes.size())),
      num_bodies_(num_agents_ + num_boxes_ + static_cast<int>(world.ramps.size())),
      sizes_(static_cast<size_t>(num_agents_),
             {2 * kAgentRadius, 2 * kAgentRadius, 2 * kAgentRadius}),
      held_(static_cast<size_t>(num_agents_), kNoThing),
      rays_(static_cast<size_t>(settings.lidar_rays)) {
  for (const auto* things : {&world.boxes, &world.ramps}) {
    for (const Thing& thing : *things) sizes_.push_back(thing.size);
  }
  const int first = model().nbody - num_bodies_;
  for (int body = 0; body < num_bodies_; ++body) {
    ids_.push_back(first + body);
    shapes_.push_back(model().body_geomadr[first + body]);
  }
}

std::span<const double, Scene::kJoints> Scene::Position(int body) const {
  return std::span<const double, kJoints>(data().qpos + kJoints * body, kJoints);
}

std::span<const double, Scene::kJoints> Scene::Velocity(int body) const {
  return std::span<const double, kJoints>(data().qvel + kJoints * body, kJoints);
}

double Scene::Heading(int agent) const { return Position(agent)[3] - std::numbers::pi / 2; }

Vector3 Scene::Centre(int body) const {
  return ToVector(data().xpos + 3 * ids_[static_cast<size_t>(body)]);
}

Vector3 Scene::ShapeCentre(int body) const {
  return ToVector(data().geom_xpos + 3 * shapes_[static_cast<size_t>(body)]);
}

Vector3 Scene::PointOf(int body, double along, double across) const {
  const Vector3 middle = Centre(body);
  const double yaw = Position(body)[3];
  return {middle[0] + std::cos(yaw) * along - std::sin(yaw) * across,
          middle[1] + std::sin(yaw) * along + std::cos(yaw) * across, middle[2]};
}

double Scene::Distance(int agent, int thing) const {
  const int body = BodyOfThing(thing);
  const Vector3 at = Centre(agent);
  const auto [along, across] = InFrameOf(thing, at);
  const auto& full = size(body);
  const double dx = Outside(along, full[0] / 2), dy = Outside(across, full[1] / 2);
  const double dz = Outside(at[2] - Centre(body)[2], full[2] / 2);
  return std::sqrt(dx * dx + dy * dy + dz * dz);
}

std::array<double, 2> Scene::InFrameOf(int thing, const Vector3& point) const {
  const int body = BodyOfThing(thing);
  const Vector3 middle = Centre(body);
  const double yaw = Position(body)[3];
  const double x = point[0] - middle[0], y = point[1] - middle[1];
  return {std::cos(yaw) * x + std::sin(yaw) * y, std::cos(yaw) * y - std::sin(yaw) * x};
}

void Scene::Push(int agent, double force_x, double force_y, double torque) {
  mjtNum* const control = simulation_->data().ctrl + kMotors * agent;
  control[0] = force_x / kMotorGear;
  control[1] = force_y / kMotorGear;
  control[2] = torque / kMotorGear;
}

void Scene::Hold(int agent, int thing) {
  if (thing == held(agent)) return;
  if (thing == kNoThing) {
    SetGrip(agent, thing, std::array<double, 7>{});
    return;
  }
  const int holder = ids_[static_cast<size_t>(agent)];
  const int object = ids_[static_cast<size_t>(BodyOfThing(thing))];
  std::array<double, 7> relation{};
  mjtNum between[3], inverse[4];
  mju_sub3(between, data().xpos + 3 * object, data().xpos + 3 * holder);
  mju_negQuat(inverse, data().xquat + 4 * holder);
  mju_rotVecQuat(relation.data(), between, inverse);
  mju_mulQuat(relation.data() + 3, inverse, data().xquat + 4 * object);
  SetGrip(agent, thing, relation);
}

std::array<double, 7> Scene::Grip(int agent) const {
  std::array<double, 7> relation{};
  std::copy_n(model().eq_data + mjNEQDATA * agent + kRelation, relation.size(), relation.begin());
  return relation;
}

void Scene::SetGrip(int agent, int thing, std::span<const double, 7> relation) {
  held_[static_cast<size_t>(agent)] = thing;
  simulation_->data().eq_active[agent] = thing == kNoThing ? 0 : 1;
  if (thing == kNoThing) return;
  mjModel& model = simulation_->model();
  model.eq_obj2id[agent] = ids_[static_cast<size_t>(BodyOfThing(thing))];
  mjtNum* const weld = model.eq_data + mjNEQDATA * agent;
  std::fill_n(weld, kRelation, 0);
  std::ranges::copy(relation, weld + kRelation);
}

void Scene::Lock(int thing) { SetLock(thing, Position(BodyOfThing(thing))); }

void Scene::Unlock(int thing) {
  const int first = kJoints * BodyOfThing(thing);
  std::fill_n(simulation_->model().jnt_limited + first, kJoints, 0);
  simulation_->data().qvel[first] += kNudge;
}

std::array<double, Scene::kJoints> Scene::LockedAt(int thing) const {
  std::array<double, kJoints> position{};
  for (int j = 0; j < kJoints; ++j) {
    position[static_cast<size_t>(j)] = model().jnt_range[2 * (kJoints * BodyOfThing(thing) + j)];
  }
  return position;
}

void Scene::SetLock(int thing, std::span<const double, kJoints> position) {
  mjModel& model = simulation_->model();
  for (int j = 0; j < kJoints; ++j) {
    const int joint = kJoints * BodyOfThing(thing) + j;
    model.jnt_limited[joint] = 1;
    model.jnt_range[2 * joint] = model.jnt_range[2 * joint + 1] = position[static_cast<size_t>(j)];
  }
}

void Scene::Kick(int thing, double x, double y) {
  const int first = kJoints * BodyOfThing(thing);
  simulation_->data().qvel[first] = x;
  simulation_->data().qvel[first + 1] = y;
}

void Scene::SetColor(int body, const shapes::Color& color) {
  mjModel& model = simulation_->model();
  const int id = ids_[static_cast<size_t>(body)];
  for (int g = model.body_geomadr[id]; g < model.body_geomadr[id] + model.body_geomnum[id]; ++g) {
    const std::array<double, 4> rgba = {color.red, color.green, color.blue, color.opacity};
    std::ranges::copy(rgba, model.geom_rgba + 4 * g);
  }
}

bool Scene::Step() {
  simulation_->Step(kSubsteps);
  const mjData& data = simulation_->data();
  for (const int warning :
       {mjWARN_CONTACTFULL, mjWARN_CNSTRFULL, mjWARN_BADQPOS, mjWARN_BADQVEL, mjWARN_BADQACC}) {
    if (data.warning[warning].number > 0) return false;
  }
  mj_kinematics(&simulation_->model(), &simulation_->data());  // the next step does all the rest
  MoveShapes();
  return true;
}

void Scene::SetState(std::span<const double> qpos, std::span<const double> qvel) {
  std::ranges::fill(held_, kNoThing);
  std::fill_n(simulation_->model().jnt_limited, model().njnt, 0);
  simulation_->Begin(qpos, qvel);
  MoveShapes();
}

void Scene::AddShapes(const World& world, const Settings& settings) {
  for (const Wall& wall : world.plan.walls) {
    const Rect rect = RectOf(wall, settings.cell());
    rays_.AddWall({rect.x0, rect.y0, 0},
                  {rect.x1, rect.y1, wall.outer ? kOuterWallHeight : kWallHeight});
  }
  if (const auto& cylinder = world.cylinder) {
    rays_.AddCylinder({cylinder->x, cylinder->y, 0}, cylinder->diameter / 2, Cylinder::kHeight);
  }
  for (int agent = 0; agent < num_agents_; ++agent) {
    rays_.AddSphere(agent, kAgentRadius);
    for (size_t arm = 0; arm < kArms.size(); ++arm) rays_.AddSphere(agent, kArmRadius);
  }
  for (int body = num_agents_; body < num_bodies_; ++body) {
    const auto& full = size(body);
    const Vector3 half = {full[0] / 2, full[1] / 2, full[2] / 2};
    body < num_agents_ + num_boxes_ ? rays_.AddBox(body, half) : rays_.AddRamp(body, half);
  }
}

void Scene::MoveShapes() {
  constexpr int kSpheres = 1 + static_cast<int>(kArms.size());
  for (int agent = 0; agent < num_agents_; ++agent) {
    const int first = shapes_[static_cast<size_t>(agent)];
    for (int s = 0; s < kSpheres; ++s) {
      rays_.SetSphere(kSpheres * agent + s, ToVector(data().geom_xpos + 3 * (first + s)));
    }
  }
  for (int body = num_agents_; body < num_bodies_; ++body) {
    const int thing = body - num_agents_;
    const double yaw = Position(body)[3];
    thing < num_boxes_ ? rays_.SetBox(thing, Centre(body), yaw)
                       : rays_.SetRamp(thing - num_boxes_, Centre(body), yaw);
  }
}

std::string Scene::Save() const {
  StateWriter writer;
  writer.PutString(simulation_->SaveState());
  for (int agent = 0; agent < num_agents_; ++agent) {
    writer.Put(held(agent));
    writer.Put(Grip(agent));
  }
  for (int thing = 0; thing < num_things(); ++thing) {
    writer.Put(model().jnt_limited[kJoints * BodyOfThing(thing)]);
    writer.Put(LockedAt(thing));
  }
  for (int tree = 0; tree < model().ntree; ++tree) writer.Put(data().tree_asleep[tree]);
  return writer.Take();
}

absl::Status Scene::Restore(std::string_view saved) {
  StateReader reader(saved);
  const std::string_view physics = reader.GetString();
  struct Held {
    int thing = kNoThing;
    std::array<double, 7> relation{};
  };
  std::vector<Held> grips(static_cast<size_t>(num_agents_));
  for (Held& grip : grips) {
    reader.Get(grip.thing);
    reader.Get(grip.relation);
  }
  struct Locked {
    mjtBool limited = 0;
    std::array<double, kJoints> position{};
  };
  std::vector<Locked> locks(static_cast<size_t>(num_things()));
  for (Locked& lock : locks) {
    reader.Get(lock.limited);
    reader.Get(lock.position);
  }
  std::vector<int> asleep(static_cast<size_t>(model().ntree));
  for (int& tree : asleep) reader.Get(tree);
  MILLRACE_RETURN_IF_ERROR(reader.Finish());
  const bool sound =
      std::ranges::all_of(grips,
                          [this](const Held& grip) {
                            return grip.thing >= kNoThing && grip.thing < num_things();
                          }) &&
      std::ranges::all_of(asleep, [this](int next) { return next < model().ntree; });
  if (!sound) return absl::DataLossError("saved scene: a number is out of range");
  for (int thing = 0; thing < num_things(); ++thing) {
    const Locked& lock = locks[static_cast<size_t>(thing)];
    SetLock(thing, lock.position);
    if (lock.limited == 0) Unlock(thing);
  }
  MILLRACE_RETURN_IF_ERROR(simulation_->RestoreState(physics));
  for (int agent = 0; agent < num_agents_; ++agent) {
    const Held& grip = grips[static_cast<size_t>(agent)];
    SetGrip(agent, grip.thing, grip.relation);
  }
  mj_forward(&simulation_->model(), &simulation_->data());
  std::ranges::copy(asleep, simulation_->data().tree_asleep);
  mj_updateSleep(&simulation_->model(), &simulation_->data());
  MoveShapes();
  return absl::OkStatus();
}

}  // namespace millrace::hide_and_seek
