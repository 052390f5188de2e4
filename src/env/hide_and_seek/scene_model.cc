#include "env/hide_and_seek/scene_model.h"

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/str_cat.h"
#include "millrace/core/status.h"

namespace millrace::hide_and_seek {
namespace {

constexpr double kGravity = -50;
constexpr double kFloorFriction = 0.2, kAgentFriction = 0.01, kBoxFriction = 0.2;
constexpr double kRampFriction = 0.01;
constexpr double kAgentDamping = 10, kAgentDampingZ = 1, kBoxDamping = 0.01, kRampDamping = 0.1;
constexpr double kMotorLimit = 0.9;
// Of the arena that an episode's simulation has: constraints times joints, both of which grow with
// the number of bodies. Pages that are not touched cost nothing: with random actions the quadrant's
// 7 bodies use 80 kB, 17 at full size 250 kB. Blocks of more than 32 MB the C library takes from
// the system and gives back; smaller ones would come to lie elsewhere in the heap in every episode,
// until it has been touched everywhere.
constexpr mjtSize kLeastArenaBytes = 33 << 20, kArenaBytesPerPairOfBodies = 8 << 10;
constexpr char kRampMesh[] = "ramp", kFloorBody[] = "floor";

struct DeleteSpec {
  void operator()(mjSpec* spec) const { mj_deleteSpec(spec); }
};

// Adds the parts of a scene to a specification.
class SceneBuilder {
 public:
  SceneBuilder() : spec_(mj_makeSpec()), world_(mjs_findBody(spec_.get(), "world")) {
    mjOption& option = spec_->option;
    option.timestep = kTimeStep;
    option.gravity[0] = option.gravity[1] = 0;
    option.gravity[2] = kGravity;
    // Dense: every island of touching bodies is small. Sleep: what lies still costs nothing.
    option.jacobian = mjJAC_DENSE;
    option.enableflags |= mjENBL_SLEEP;
    option.disableflags |= mjDSBL_AUTORESET;  // broken episodes are noticed and thrown away
    option.disableflags |= mjDSBL_MIDPHASE;   // the trees of four spheres cost more than they save
    spec_->compiler.autolimits = 0;
    spec_->compiler.usethread = 0;
  }

  void AddFloor(double size) {
    mjsGeom* const floor = mjs_addGeom(world_, nullptr);
    floor->type = mjGEOM_PLANE;
    Set(floor->size, {size / 2, size / 2, 1});
    Set(floor->pos, {size / 2, size / 2, 0});
    floor->friction[0] = kFloorFriction;
    // What welds hold on to until somebody is held: a body, which the plane is not.
    mjs_setName(mjs_addBody(world_, nullptr)->element, kFloorBody);
  }

  void AddWall(const Rect& rect, bool outer, double friction) {
    const double height = outer ? kOuterWallHeight : kWallHeight;
    mjsBody* const body = mjs_addBody(world_, nullptr);
    const auto [x, y] = rect.Middle();
    Set(body->pos, {x, y, height / 2});
    mjsGeom* const wall =
        AddBoxGeom(body, {(rect.x1 - rect.x0) / 2, (rect.y1 - rect.y0) / 2, height / 2}, friction);
    wall->group = 1;
    if (outer) wall->rgba[3] = 0.1F;
  }

  void AddCylinder(const Cylinder& cylinder, double friction) {
    mjsBody* const body = mjs_addBody(world_, nullptr);
    Set(body->pos, {cylinder.x, cylinder.y, Cylinder::kHeight / 2});
    mjsGeom* const geom = mjs_addGeom(body, nullptr);
    geom->type = mjGEOM_CYLINDER;
    geom->size[0] = cylinder.diameter / 2;
    geom->size[1] = Cylinder::kHeight / 2;
    geom->friction[0] = friction;
  }

  void AddAgent(int index) {
    const std::string name = absl::StrCat("agent", index);
    mjsBody* const body = AddBody(name, {kAgentRadius, kAgentRadius, kAgentRadius},
                                  {kAgentDamping, kAgentDamping, kAgentDampingZ, kAgentDamping});
    AddSphere(body, {0, 0, 0}, kAgentRadius, /*mass=*/1);
    for (const auto& arm : kArms) AddSphere(body, arm, kArmRadius, /*mass=*/0);
    for (const char* joint : {".x", ".y", ".yaw"}) AddMotor(name + joint);
    mjsEquality* const weld = mjs_addEquality(spec_.get(), nullptr);
    weld->type = mjEQ_WELD;
    weld->objtype = mjOBJ_BODY;
    weld->active = 0;
    mjs_setString(weld->name1, name.c_str());
    mjs_setString(weld->name2, kFloorBody);
  }

  void AddBox(int index, const Thing& box) {
    const std::array<double, 3> half = {box.size[0] / 2, box.size[1] / 2, box.size[2] / 2};
    mjsBody* const body = AddBody(absl::StrCat("box", index), half,
                                  {kBoxDamping, kBoxDamping, kBoxDamping, kBoxDamping});
    AddBoxGeom(body, half, kBoxFriction)->mass = 1;
  }

  void AddRamp(int index, const Thing& ramp) {
    if (index == 0) AddRampMesh(ramp);
    const std::array<double, 3> half = {ramp.size[0] / 2, ramp.size[1] / 2, ramp.size[2] / 2};
    mjsBody* const body = AddBody(absl::StrCat("ramp", index), half,
                                  {kRampDamping, kRampDamping, kRampDamping, kRampDamping});
    mjsGeom* const geom = mjs_addGeom(body, nullptr);
    geom->type = mjGEOM_MESH;
    mjs_setString(geom->meshname, kRampMesh);
    geom->mass = 1;
    geom->friction[0] = kRampFriction;
  }

  absl::StatusOr<std::unique_ptr<MujocoSimulation>> Compile() {
    spec_->memory = kLeastArenaBytes + kArenaBytesPerPairOfBodies * bodies_ * bodies_;
    return MujocoSimulation::Compile(spec_.get(), "hide and seek");
  }

 private:
  template <size_t N>
  static void Set(double (&to)[N], const std::array<double, N>& from) {
    std::ranges::copy(from, to);
  }

  // Its corner is in the origin where its joints are 0, so that positions are those of corners.
  mjsBody* AddBody(const std::string& name, const std::array<double, 3>& half,
                   const std::array<double, 4>& damping) {
    mjsBody* const body = mjs_addBody(world_, nullptr);
    ++bodies_;
    mjs_setName(body->element, name.c_str());
    Set(body->pos, half);
    constexpr std::array<const char*, 4> kNames = {".x", ".y", ".z", ".yaw"};
    for (size_t j = 0; j < kNames.size(); ++j) {
      mjsJoint* const joint = mjs_addJoint(body, nullptr);
      mjs_setName(joint->element, (name + kNames[j]).c_str());
      joint->type = j < 3 ? mjJNT_SLIDE : mjJNT_HINGE;
      std::ranges::fill(joint->axis, 0);
      joint->axis[std::min<size_t>(j, 2)] = 1;
      joint->limited = mjLIMITED_FALSE;
      joint->damping[0] = damping[j];
    }
    return body;
  }

  static void AddSphere(mjsBody* body, const std::array<double, 3>& at, double radius,
                        double mass) {
    mjsGeom* const sphere = mjs_addGeom(body, nullptr);
    sphere->type = mjGEOM_SPHERE;
    Set(sphere->pos, at);
    sphere->size[0] = radius;
    sphere->mass = mass;
    sphere->friction[0] = kAgentFriction;
  }

  static mjsGeom* AddBoxGeom(mjsBody* body, const std::array<double, 3>& half, double friction) {
    mjsGeom* const box = mjs_addGeom(body, nullptr);
    box->type = mjGEOM_BOX;
    Set(box->size, half);
    box->friction[0] = friction;
    return box;
  }

  void AddMotor(const std::string& joint) {
    mjsActuator* const motor = mjs_addActuator(spec_.get(), nullptr);
    mjs_setToMotor(motor);
    motor->trntype = mjTRN_JOINT;
    mjs_setString(motor->target, joint.c_str());
    motor->gear[0] = kMotorGear;
    motor->ctrllimited = mjLIMITED_TRUE;
    motor->ctrlrange[0] = -kMotorLimit;
    motor->ctrlrange[1] = kMotorLimit;
  }

  // Tall at low y, falling to nothing towards high y.
  void AddRampMesh(const Thing& ramp) {
    const auto x = static_cast<float>(ramp.size[0] / 2), y = static_cast<float>(ramp.size[1] / 2),
               z = static_cast<float>(ramp.size[2] / 2);
    const std::array<float, 18> corners = {-x, -y, -z, x,  -y, -z, -x, -y, z,
                                           x,  -y, z,  -x, y,  -z, x,  y,  -z};
    mjsMesh* const mesh = mjs_addMesh(spec_.get(), nullptr);
    mjs_setName(mesh->element, kRampMesh);
    mjs_setFloat(mesh->uservert, corners.data(), static_cast<int>(corners.size()));
  }

  const std::unique_ptr<mjSpec, DeleteSpec> spec_;
  mjsBody* const world_;
  mjtSize bodies_ = 0;  // that move
};

}  // namespace

absl::StatusOr<std::unique_ptr<MujocoSimulation>> CompileScene(const Settings& settings,
                                                               const World& world) {
  SceneBuilder builder;
  builder.AddFloor(settings.floor_size);
  for (const Wall& wall : world.plan.walls) {
    builder.AddWall(RectOf(wall, settings.cell()), wall.outer, settings.wall_friction);
  }
  if (world.cylinder) builder.AddCylinder(*world.cylinder, settings.wall_friction);
  for (int i = 0; i < world.num_agents(); ++i) builder.AddAgent(i);
  for (size_t i = 0; i < world.boxes.size(); ++i) {
    builder.AddBox(static_cast<int>(i), world.boxes[i]);
  }
  for (size_t i = 0; i < world.ramps.size(); ++i) {
    builder.AddRamp(static_cast<int>(i), world.ramps[i]);
  }
  auto simulation = builder.Compile();
  if (simulation.ok()) return simulation;
  return absl::InternalError(std::string(simulation.status().message()));
}

}  // namespace millrace::hide_and_seek
