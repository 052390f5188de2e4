// Rays against the few shapes hide and seek has: many times as fast as mj_ray, and equal to it.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace millrace::hide_and_seek {

using Vector3 = std::array<double, 3>;

// Shapes that rays meet, each part of a body; they move between calls, walls do not. Bodies stand
// upright: they turn about z alone. Thread-compatible.
class RayCaster {
 public:
  // A hit: metres along the ray (of unit length) and the body; no hit: distance < 0, body -1.
  struct Hit {
    double distance = -1;
    int body = -1;
  };
  // The body of all walls.
  static constexpr int kWalls = -2;
  // That of all cylinders.
  static constexpr int kCylinders = -3;

  // `circle_rays`: the number of rays that CastCircle is prepared for.
  explicit RayCaster(size_t circle_rays = 30) : circle_(circle_rays) {}

  void Clear();
  // A wall, by its lowest and highest corner.
  void AddWall(const Vector3& low, const Vector3& high);
  // An upright cylinder that never moves, by the middle of its foot.
  void AddCylinder(const Vector3& foot, double radius, double height);
  // Each returns the index that the Set call of its kind takes; each kind counts from 0. `body` (0
  // or more) is what a hit names and a ray may ignore.
  int AddSphere(int body, double radius);
  int AddBox(int body, const Vector3& half_size);
  // The prism of hide and seek's ramps: half sizes (a, b, c); its slope falls from the edge at
  // y = -b, z = c to that at y = b, z = -c.
  int AddRamp(int body, const Vector3& half_size);

  void SetSphere(int sphere, const Vector3& centre);
  // `yaw`: the turn about z, in radians.
  void SetBox(int box, const Vector3& centre, double yaw);
  // `centre`: the middle between the ramp's outermost sides (a mesh of MuJoCo is centred on its
  // mass).
  void SetRamp(int ramp, const Vector3& centre, double yaw);

  // The nearest shape along the ray that is not of body `ignored` (-1: none is). `direction` has
  // length 1. A ray that begins inside a shape meets the way out, as mj_ray.
  Hit Cast(const Vector3& origin, const Vector3& direction, int ignored) const;

  // `distances.size()` horizontal rays: ray k points at k x 360 / distances.size() degrees from +x.
  // Distances, or `miss` where nothing is met. Slower for another number than the constructor's.
  void CastCircle(const Vector3& origin, int ignored, double miss,
                  std::span<float> distances) const;

  // How shapes are kept, for ray_caster.cc: by twos, field by field, because any machine computes
  // with two numbers in one instruction. The last two are filled up with what no ray meets.
  static constexpr size_t kLanes = 2;
  using Lanes = std::array<double, kLanes>;
  struct UprightPair {
    Lanes body, x, y, z, cos, sin;
    Lanes a, b, c;  // half sizes
  };
  struct SpherePair {
    Lanes body, x, y, z, squared_radius;
  };

  struct Cylinder {
    double x, y, z, squared_radius, half_height;
  };

  // The directions of a circle's rays. They go round twice and a bit, so that neighbours always
  // stand in a row.
  struct Circle {
    explicit Circle(size_t num_rays);
    size_t rays;
    std::vector<double> x, y;
  };

 private:
  // Walls, boxes or ramps.
  struct Uprights {
    int Add(int body, const Vector3& half_size);
    void Set(int index, const Vector3& centre, double yaw);
    std::vector<UprightPair> pairs;
    int size = 0;
  };

  void CastCircle(const Circle& circle, const Vector3& origin, int ignored, double miss,
                  std::span<float> distances) const;

  Circle circle_;
  Uprights walls_, boxes_, ramps_;
  std::vector<SpherePair> spheres_;
  std::vector<Cylinder> cylinders_;
  int num_spheres_ = 0;
};

}  // namespace millrace::hide_and_seek
