// The ray caster by hand-worked cases, and in random scenes against MuJoCo's mj_ray.
#include "env/hide_and_seek/ray_caster.h"

#include <gtest/gtest.h>
#include <mujoco/mujoco.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <numbers>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "millrace/core/rng.h"

namespace millrace::hide_and_seek {
namespace {

constexpr double kExact = 1e-12;
constexpr int kNobody = -1;
constexpr Vector3 kHalfCube = {0.25, 0.25, 0.25};

void ExpectHit(const RayCaster::Hit& hit, double distance, int body) {
  EXPECT_NEAR(hit.distance, distance, kExact);
  EXPECT_EQ(hit.body, body);
}

void ExpectMiss(const RayCaster::Hit& hit) {
  EXPECT_LT(hit.distance, 0);
  EXPECT_EQ(hit.body, -1);
}

std::vector<float> Circle(const RayCaster& rays, const Vector3& origin, int ignored, size_t count) {
  std::vector<float> distances(count);
  rays.CastCircle(origin, ignored, 6, distances);
  return distances;
}

TEST(RayCaster, EmptyWorldIsMissed) {
  RayCaster rays;
  ExpectMiss(rays.Cast({0, 0, 0}, {1, 0, 0}, kNobody));
  EXPECT_EQ(Circle(rays, {0, 0, 0}, kNobody, 3), (std::vector<float>{6, 6, 6}));
}

TEST(RayCaster, CircleMayHaveNoRays) {
  RayCaster rays(0);
  rays.SetBox(rays.AddBox(0, kHalfCube), {2, 0, 0.25}, 0);
  EXPECT_TRUE(Circle(rays, {0, 0, 0.25}, kNobody, 0).empty());
  EXPECT_FLOAT_EQ(Circle(rays, {0, 0, 0.25}, kNobody, 2)[0], 1.75f);
}

TEST(RayCaster, WallStopsRaysOfItsHeight) {
  RayCaster rays;
  rays.AddWall({2, -1, 0}, {2.1, 1, 0.5});
  ExpectHit(rays.Cast({0, 0, 0.25}, {1, 0, 0}, kNobody), 2, RayCaster::kWalls);
  ExpectHit(rays.Cast({4, 0.5, 0.25}, {-1, 0, 0}, kNobody), 1.9, RayCaster::kWalls);
  ExpectMiss(rays.Cast({0, 0, 0.25}, {-1, 0, 0}, kNobody));    // behind
  ExpectMiss(rays.Cast({0, 1.01, 0.25}, {1, 0, 0}, kNobody));  // beside
  ExpectMiss(rays.Cast({0, 0, 0.51}, {1, 0, 0}, kNobody));     // above
  // Falling 3 on 4: at x = 2 after 1.25 m, at height 1 - 0.75.
  ExpectHit(rays.Cast({1, 0, 1}, {0.8, 0, -0.6}, kNobody), 1.25, RayCaster::kWalls);
  // From height 1.3 it is at 0.55 there, and meets the top, 0.8 lower than it began, after 4/3 m.
  ExpectHit(rays.Cast({1, 0, 1.3}, {0.8, 0, -0.6}, kNobody), 4 / 3.0, RayCaster::kWalls);
}

TEST(RayCaster, SightOverAWallDependsOnWhereItStands) {
  // From 0.65 m to 0.25 m over a wall of 0.5 m.
  const double slope = std::atan2(0.4, 1.8);
  const Vector3 down = {std::cos(slope), 0, -std::sin(slope)};
  RayCaster rays;
  rays.AddWall({0.3, -1, 0}, {0.4, 1, 0.5});
  const int box = rays.AddBox(3, kHalfCube);
  rays.SetBox(box, {1.8, 0, 0.25}, 0);
  EXPECT_EQ(rays.Cast({0, 0, 0.65}, down, kNobody).body, 3);
  EXPECT_EQ(rays.Cast({-0.6, 0, 0.65}, down, kNobody).body, RayCaster::kWalls);
}

TEST(RayCaster, BoxTurnedByHalfARightAngleShowsItsEdge) {
  RayCaster rays;
  rays.SetBox(rays.AddBox(4, kHalfCube), {2, 0, 0.25}, std::numbers::pi / 4);
  const double edge = 0.25 * std::numbers::sqrt2;
  // Beside the edge its sides recede as far as one goes aside.
  ExpectHit(rays.Cast({0, 0.1, 0.25}, {1, 0, 0}, kNobody), 2 - edge + 0.1, 4);
  ExpectHit(rays.Cast({0, -0.2, 0.25}, {1, 0, 0}, kNobody), 2 - edge + 0.2, 4);
  ExpectMiss(rays.Cast({0, edge + 1e-6, 0.25}, {1, 0, 0}, kNobody));
  ExpectHit(rays.Cast({2, 0, 2}, {0, 0, -1}, kNobody), 1.5, 4);
  // The edge is as far off, straight along a ray of the circle.
  EXPECT_FLOAT_EQ(Circle(rays, {0, 0, 0.25}, kNobody, 4)[0], static_cast<float>(2 - edge));
}

TEST(RayCaster, SphereIsMetUpToItsTangent) {
  RayCaster rays;
  rays.SetSphere(rays.AddSphere(1, 0.15), {2, 0, 0.15});
  ExpectHit(rays.Cast({0, 0, 0.15}, {1, 0, 0}, kNobody), 1.85, 1);
  // 0.09 aside or higher: half a chord of 0.12.
  ExpectHit(rays.Cast({0, 0.09, 0.15}, {1, 0, 0}, kNobody), 1.88, 1);
  ExpectHit(rays.Cast({0, 0, 0.24}, {1, 0, 0}, kNobody), 1.88, 1);
  EXPECT_EQ(rays.Cast({0, 0.15 - 1e-6, 0.15}, {1, 0, 0}, kNobody).body, 1);
  ExpectMiss(rays.Cast({0, 0.15 + 1e-6, 0.15}, {1, 0, 0}, kNobody));
  ExpectMiss(rays.Cast({4, 0, 0.15}, {1, 0, 0}, kNobody));
  EXPECT_FLOAT_EQ(Circle(rays, {0, 0.09, 0.15}, kNobody, 30)[0], 1.88f);
  EXPECT_EQ(Circle(rays, {0, 0.15 + 1e-6, 0.15}, kNobody, 4)[0], 6);
}

TEST(RayCaster, CylinderIsRoundAndFlatOnTop) {
  RayCaster rays;
  rays.AddCylinder({2, 0, 0}, 1, 0.5);
  constexpr int kCylinders = RayCaster::kCylinders;
  ExpectHit(rays.Cast({0, 0, 0.25}, {1, 0, 0}, kNobody), 1, kCylinders);
  // 0.6 aside: half a chord of 0.8.
  ExpectHit(rays.Cast({0, 0.6, 0.25}, {1, 0, 0}, kNobody), 1.2, kCylinders);
  ExpectHit(rays.Cast({2, 0.6, 0.25}, {1, 0, 0}, kNobody), 0.8, kCylinders);  // from inside
  ExpectMiss(rays.Cast({0, 1.01, 0.25}, {1, 0, 0}, kNobody));                 // beside
  ExpectMiss(rays.Cast({0, 0, 0.51}, {1, 0, 0}, kNobody));                    // above
  ExpectMiss(rays.Cast({4, 0, 0.25}, {1, 0, 0}, kNobody));                    // behind
  ExpectHit(rays.Cast({2, 0, 2}, {0, 0, -1}, kNobody), 1.5, kCylinders);
  // Falling 3 on 4 from 1.3 m: on the top, 0.8 lower, after 4/3 m.
  ExpectHit(rays.Cast({0, 0, 1.3}, {0.8, 0, -0.6}, kNobody), 4 / 3.0, kCylinders);
  // What is nearer comes first, on either side.
  rays.SetBox(rays.AddBox(3, kHalfCube), {0.5, 0, 0.25}, 0);
  ExpectHit(rays.Cast({-1, 0, 0.25}, {1, 0, 0}, kNobody), 1.25, 3);
  ExpectHit(rays.Cast({4, 0, 0.25}, {-1, 0, 0}, kNobody), 1, kCylinders);
  const auto circle = Circle(rays, {4, 0.6, 0.25}, kNobody, 4);
  EXPECT_FLOAT_EQ(circle[2], 1.2F);
  EXPECT_EQ(circle[0], 6);
  EXPECT_EQ(Circle(rays, {4, 0.6, 0.51}, kNobody, 4)[2], 6);
}

TEST(RayCaster, RampHasASlopeAndATallFace) {
  RayCaster rays;
  const int ramp = rays.AddRamp(7, kHalfCube);
  rays.SetRamp(ramp, {2, 0, 0.25}, 0);
  // The slope falls towards +y, through the middle at half its height.
  ExpectHit(rays.Cast({2, 2, 0.25}, {0, -1, 0}, kNobody), 2, 7);
  ExpectHit(rays.Cast({2, 2, 0.45}, {0, -1, 0}, kNobody), 2.2, 7);
  ExpectHit(rays.Cast({2, 0.1, 2}, {0, 0, -1}, kNobody), 1.85, 7);
  ExpectHit(rays.Cast({2, -2, 0.45}, {0, 1, 0}, kNobody), 1.75, 7);  // tall face
  ExpectHit(rays.Cast({0, -0.1, 0.25}, {1, 0, 0}, kNobody), 1.75, 7);
  ExpectMiss(rays.Cast({0, 0.1, 0.25}, {1, 0, 0}, kNobody));  // over the slope
  const std::vector<float> circle = Circle(rays, {2, -2, 0.45}, kNobody, 4);
  EXPECT_FLOAT_EQ(circle[1], 1.75f);
  EXPECT_EQ(circle[3], 6);
  EXPECT_FLOAT_EQ(Circle(rays, {2, 2, 0.45}, kNobody, 4)[3], 2.2f);

  // A quarter turn to the left: the slope falls towards -x.
  rays.SetRamp(ramp, {2, 0, 0.25}, std::numbers::pi / 2);
  ExpectHit(rays.Cast({0, 0, 0.45}, {1, 0, 0}, kNobody), 2.2, 7);
  ExpectHit(rays.Cast({4, 0, 0.45}, {-1, 0, 0}, kNobody), 1.75, 7);
}

TEST(RayCaster, OwnBodyIsIgnored) {
  RayCaster rays;
  for (const int body : {0, 0, 1}) rays.AddSphere(body, 0.15);
  rays.SetSphere(0, {0, 0, 0.15});
  rays.SetSphere(1, {0.2, 0, 0.15});  // an arm
  rays.SetSphere(2, {2, 0, 0.15});
  ExpectHit(rays.Cast({0, 0, 0.15}, {1, 0, 0}, 0), 1.85, 1);
  EXPECT_FLOAT_EQ(Circle(rays, {0, 0, 0.15}, 0, 30)[0], 1.85f);
  ExpectHit(rays.Cast({0, 0, 0.15}, {1, 0, 0}, 1), 0.05, 0);
}

TEST(RayCaster, RayFromWithinMeetsTheWayOut) {
  RayCaster rays;
  rays.AddWall({-1, -1, 0}, {1, 2, 0.5});
  ExpectHit(rays.Cast({0, 0, 0.25}, {0, 1, 0}, kNobody), 2, RayCaster::kWalls);
  EXPECT_EQ(Circle(rays, {0, 0, 0.25}, kNobody, 4), (std::vector<float>{1, 2, 1, 1}));

  rays.Clear();
  rays.SetSphere(rays.AddSphere(1, 0.15), {0, 0, 0.15});
  ExpectHit(rays.Cast({0.05, 0, 0.15}, {1, 0, 0}, kNobody), 0.1, 1);
  EXPECT_FLOAT_EQ(Circle(rays, {0.05, 0, 0.15}, kNobody, 2)[1], 0.2f);

  rays.Clear();
  rays.SetRamp(rays.AddRamp(2, kHalfCube), {0, 0, 0.25}, 0);
  ExpectHit(rays.Cast({0, -0.1, 0.25}, {0, 1, 0}, kNobody), 0.1, 2);
  const std::vector<float> circle = Circle(rays, {0, -0.1, 0.25}, kNobody, 4);
  EXPECT_FLOAT_EQ(circle[1], 0.1f);
  EXPECT_FLOAT_EQ(circle[3], 0.15f);
}

TEST(RayCaster, ClearForgetsEverything) {
  RayCaster rays;
  rays.AddWall({1, -1, 0}, {1.1, 1, 0.5});
  rays.AddSphere(0, 0.15);
  rays.AddBox(1, kHalfCube);
  rays.AddRamp(2, kHalfCube);
  rays.Clear();
  ExpectMiss(rays.Cast({0, 0, 0.1}, {1, 0, 0}, kNobody));
  EXPECT_EQ(rays.AddBox(0, kHalfCube), 0);
}

// A simulation that has blown up is noticed later than this.
TEST(RayCaster, ShapesInNoPlaceDisturbNobody) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  RayCaster rays;
  rays.AddWall({2, -1, 0}, {2.1, 1, 0.5});
  rays.SetBox(rays.AddBox(0, kHalfCube), {nan, 0, 0.25}, 0);
  rays.SetBox(rays.AddBox(1, kHalfCube), {1e300, 0, 0.25}, nan);
  rays.SetRamp(rays.AddRamp(2, kHalfCube), {0, nan, 0.25}, 0);
  rays.SetSphere(rays.AddSphere(3, 0.15), {nan, nan, 0.25});
  ExpectHit(rays.Cast({0, 0, 0.25}, {1, 0, 0}, kNobody), 2, RayCaster::kWalls);
  EXPECT_FLOAT_EQ(Circle(rays, {0, 0, 0.25}, kNobody, 30)[0], 2);
  Circle(rays, {nan, 0, 0.25}, kNobody, 30);
}

// --- Against mj_ray ---

struct DeleteModel {
  void operator()(mjModel* model) const { mj_deleteModel(model); }
};
struct DeleteData {
  void operator()(mjData* data) const { mj_deleteData(data); }
};

constexpr int kAgents = 6, kBoxes = 9, kRamps = 2, kWallCount = 12;
constexpr int kBodies = kAgents + kBoxes + kRamps;
constexpr int kFirstBody = 1 + kWallCount + 1;  // after MuJoCo's world, the walls and a cylinder
constexpr size_t kLidarRays = 30;

// Walls and sizes of one world in MuJoCo and in a ray caster, and places of things, drawn at will:
// they may overlap.
class TwoWorlds {
 public:
  explicit TwoWorlds(Rng& rng) : rng_(rng) {
    std::string xml =
        "<mujoco><asset><mesh name='ramp' vertex='.25 -.25 -.25 -.25 -.25 -.25 .25 -.25 .25 "
        "-.25 -.25 .25 .25 .25 -.25 -.25 .25 -.25'/></asset><worldbody>";
    for (int wall = 0; wall < kWallCount; ++wall) xml += Wall();
    xml += Cylinder();
    for (int body = 0; body < kBodies; ++body) {
      xml += "<body>" + kJoints +
             (body < kAgents            ? Agent(body)
              : body < kAgents + kBoxes ? Box(body)
                                        : Ramp(body));
      xml += "</body>";
    }
    xml += "</worldbody></mujoco>";
    char error[500] = "";
    mjSpec* spec = mj_parseXMLString(xml.c_str(), nullptr, error, sizeof(error));
    EXPECT_NE(spec, nullptr) << error;
    model_.reset(mj_compile(spec, nullptr));
    mj_deleteSpec(spec);
    data_.reset(mj_makeData(model_.get()));
  }

  void Scatter() {
    for (int body = 0; body < kBodies; ++body) {
      double* place = data_->qpos + 4 * body;
      place[0] = rng_.Uniform(0, 6);
      place[1] = rng_.Uniform(0, 6);
      place[2] = Height(body);
      place[3] = rng_.Below(4) == 0 ? 0 : rng_.Uniform(-10, 10);
    }
    mj_kinematics(model_.get(), data_.get());
    for (int agent = 0; agent < kAgents; ++agent) {
      for (int s = 0; s < 3; ++s) rays.SetSphere(3 * agent + s, GeomCentre(agent, s));
    }
    for (int body = kAgents; body < kBodies; ++body) {
      const double* place = data_->qpos + 4 * body;
      const Vector3 centre = {place[0], place[1], place[2]};
      body < kAgents + kBoxes ? rays.SetBox(body - kAgents, centre, place[3])
                              : rays.SetRamp(body - kAgents - kBoxes, centre, place[3]);
    }
  }

  RayCaster::Hit Oracle(const Vector3& origin, const Vector3& direction, int ignored) const {
    int geom = -1;
    const double distance = mj_ray(model_.get(), data_.get(), origin.data(), direction.data(),
                                   nullptr, 1, kFirstBody + ignored, &geom, nullptr);
    if (geom < 0) return {};
    const int body = model_->geom_bodyid[geom] - kFirstBody;
    if (body == -1) return {distance, RayCaster::kCylinders};
    return {distance, body < 0 ? RayCaster::kWalls : body};
  }

  // Of one of the body's shapes; a ramp's is that of its mass.
  Vector3 GeomCentre(int body, int shape = 0) const {
    const int geom = model_->body_geomadr[kFirstBody + body] + shape;
    const double* centre = data_->geom_xpos + 3 * geom;
    return {centre[0], centre[1], centre[2]};
  }

  RayCaster rays;

 private:
  static inline const std::string kJoints =
      "<joint type='slide' axis='1 0 0'/><joint type='slide' axis='0 1 0'/>"
      "<joint type='slide' axis='0 0 1'/><joint axis='0 0 1'/>";

  // On the floor or on something of 0.5 m, less what the physics' softness leaves, or anywhere.
  double Height(int body) {
    const double floor = body < kAgents ? 0.15 : 0.25;
    const uint64_t where = rng_.Below(4);
    if (where == 0) return floor + rng_.Uniform(-0.2, 1);
    return floor + (where == 1 ? 0.5 : 0) - rng_.Uniform(0, 1e-3);
  }

  static std::string BoxGeom(const Vector3& half) {
    return absl::StrFormat("<geom type='box' size='%.17g %.17g %.17g'/>", half[0], half[1],
                           half[2]);
  }

  std::string Wall() {
    const bool outer = rng_.Below(3) == 0, along_x = rng_.Below(2) == 0;
    const double length = rng_.Uniform(0.1, 3), height = outer ? 4 : 0.5;
    const Vector3 half = {along_x ? length : 0.05, along_x ? 0.05 : length, height / 2};
    const Vector3 centre = {rng_.Uniform(0, 6), rng_.Uniform(0, 6), height / 2};
    rays.AddWall({centre[0] - half[0], centre[1] - half[1], 0},
                 {centre[0] + half[0], centre[1] + half[1], height});
    return absl::StrFormat("<body pos='%.17g %.17g %.17g'>%s</body>", centre[0], centre[1],
                           centre[2], BoxGeom(half));
  }

  std::string Cylinder() {
    const Vector3 foot = {rng_.Uniform(0, 6), rng_.Uniform(0, 6), 0};
    const double radius = rng_.Uniform(0.2, 1);
    rays.AddCylinder(foot, radius, 0.5);
    return absl::StrFormat(
        "<body pos='%.17g %.17g .25'><geom type='cylinder' size='%.17g .25'/></body>", foot[0],
        foot[1], radius);
  }

  std::string Agent(int body) {
    for (const double radius : {0.15, 0.05, 0.05}) rays.AddSphere(body, radius);
    return "<geom size='.15'/><geom size='.05' pos='.13 -.075 -.05'/>"
           "<geom size='.05' pos='-.13 -.075 -.05'/>";
  }

  std::string Box(int body) {
    const Vector3 shapes[] = {kHalfCube, {0.825, 0.075, 0.25}, {0.075, 0.825, 0.25}};
    const Vector3& half = shapes[rng_.Below(3)];
    rays.AddBox(body, half);
    return BoxGeom(half);
  }

  std::string Ramp(int body) {
    rays.AddRamp(body, kHalfCube);
    return "<geom type='mesh' mesh='ramp'/>";
  }

  Rng& rng_;
  std::unique_ptr<mjModel, DeleteModel> model_;
  std::unique_ptr<mjData, DeleteData> data_;
};

struct Tally {
  int rays = 0, near_edges = 0, wrong = 0;
  double worst = 0, worst_ramp = 0;
};

// Whether a ray 1e-6 m beside this one meets another body, or another side much farther off.
bool NearEdge(const RayCaster& rays, const Vector3& origin, const Vector3& direction, int ignored) {
  const RayCaster::Hit hit = rays.Cast(origin, direction, ignored);
  for (const double shift : {-1e-6, 1e-6}) {
    for (const bool up : {false, true}) {
      Vector3 beside = origin;
      if (up) {
        beside[2] += shift;
      } else {
        beside[0] -= shift * direction[1];
        beside[1] += shift * direction[0];
      }
      const RayCaster::Hit other = rays.Cast(beside, direction, ignored);
      if (other.body != hit.body || std::abs(other.distance - hit.distance) > 1e-4) return true;
    }
  }
  return false;
}

// MuJoCo keeps meshes in single precision: what it says of ramps is that much off.
constexpr double kTolerance = 1e-9, kMeshTolerance = 1e-6;

void Compare(const TwoWorlds& worlds, const Vector3& origin, const Vector3& direction, int ignored,
             Tally& tally) {
  const RayCaster::Hit hit = worlds.rays.Cast(origin, direction, ignored);
  const RayCaster::Hit expected = worlds.Oracle(origin, direction, ignored);
  const double off = std::abs(hit.distance - expected.distance);
  const bool ramp = expected.body >= kAgents + kBoxes;
  ++tally.rays;
  if (hit.body == expected.body && off <= (ramp ? kMeshTolerance : kTolerance)) {
    double& worst = ramp ? tally.worst_ramp : tally.worst;
    worst = std::max(worst, off);
  } else if (NearEdge(worlds.rays, origin, direction, ignored)) {
    ++tally.near_edges;
  } else {
    ++tally.wrong;
    ADD_FAILURE() << absl::StrFormat("%d at %.12f, mj_ray: %d at %.12f", hit.body, hit.distance,
                                     expected.body, expected.distance);
  }
}

void CompareCircle(const TwoWorlds& worlds, int agent, Tally& tally) {
  const Vector3 origin = worlds.GeomCentre(agent);
  const std::vector<float> circle = Circle(worlds.rays, origin, agent, kLidarRays);
  for (size_t k = 0; k < kLidarRays; ++k) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(k) / kLidarRays;
    const Vector3 direction = {std::cos(angle), std::sin(angle), 0};
    Compare(worlds, origin, direction, agent, tally);
    const double expected = worlds.Oracle(origin, direction, agent).distance;
    const double off = std::abs(circle[k] - (expected < 0 ? 6 : expected));
    if (off > 1e-6 && !NearEdge(worlds.rays, origin, direction, agent)) {
      ++tally.wrong;
      ADD_FAILURE() << absl::StrFormat("lidar %d: %.9g, mj_ray: %.9g", k, circle[k], expected);
    }
  }
}

void CompareSight(const TwoWorlds& worlds, int agent, Tally& tally) {
  const Vector3 origin = worlds.GeomCentre(agent);
  for (int body = 0; body < kBodies; ++body) {
    if (body == agent) continue;
    Vector3 direction = worlds.GeomCentre(body);
    for (size_t i = 0; i < 3; ++i) direction[i] -= origin[i];
    const double length = std::hypot(direction[0], direction[1], direction[2]);
    for (double& x : direction) x /= length;
    Compare(worlds, origin, direction, agent, tally);
  }
}

TEST(RayCaster, AgreesWithMuJoCo) {
  Rng rng(20260, 7);
  Tally lidar, sight;
  for (int world = 0; world < 25; ++world) {
    TwoWorlds worlds(rng);
    for (int scene = 0; scene < 100; ++scene) {
      worlds.Scatter();
      const int agent = scene % kAgents;
      CompareCircle(worlds, agent, lidar);
      CompareSight(worlds, agent, sight);
      if (lidar.wrong + sight.wrong > 10) FAIL() << "and so on";
    }
  }
  RecordProperty("lidar_near_edges", lidar.near_edges);
  RecordProperty("sight_near_edges", sight.near_edges);
  EXPECT_EQ(lidar.rays, 75'000);
  EXPECT_EQ(sight.rays, 40'000);
  EXPECT_LE(lidar.near_edges + sight.near_edges, 5);
}

// Any number of rays, whether prepared (30) or not, and from anywhere: also from within shapes.
TEST(RayCaster, CircleIsManyRays) {
  Rng rng(20260, 8);
  TwoWorlds worlds(rng);
  for (const size_t count : {1, 2, 3, 5, 7, 30, 64, 360}) {
    for (int scene = 0; scene < 20; ++scene) {
      worlds.Scatter();
      const Vector3 origin = {rng.Uniform(0, 6), rng.Uniform(0, 6), rng.Uniform(0, 0.6)};
      const std::vector<float> circle = Circle(worlds.rays, origin, kNobody, count);
      for (size_t k = 0; k < count; ++k) {
        const double angle =
            2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(count);
        const Vector3 direction = {std::cos(angle), std::sin(angle), 0};
        const RayCaster::Hit hit = worlds.rays.Cast(origin, direction, kNobody);
        EXPECT_FLOAT_EQ(circle[k], static_cast<float>(hit.body == -1 ? 6 : hit.distance))
            << k << " of " << count;
      }
    }
  }
}

}  // namespace
}  // namespace millrace::hide_and_seek
