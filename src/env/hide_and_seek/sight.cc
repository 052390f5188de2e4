#include "env/hide_and_seek/sight.h"

#include <cmath>
#include <numbers>

namespace millrace::hide_and_seek {
namespace {

struct Ray {
  Vector3 direction;
  double length;
};

Ray Between(const Vector3& from, const Vector3& to) {
  Ray ray{{to[0] - from[0], to[1] - from[1], to[2] - from[2]}, 0};
  for (const double x : ray.direction) ray.length += x * x;
  ray.length = std::sqrt(ray.length);
  for (double& x : ray.direction) x /= ray.length;
  return ray;
}

}  // namespace

Sight::Sight(const Settings& settings, const Scene& scene)
    : scene_(scene),
      cone_half_angle_(settings.cone_half_angle),
      cone_uses_corner_(settings.cone_uses_corner),
      seen_(static_cast<size_t>(scene.num_agents() * scene.num_bodies())) {}

void Sight::Update() {
  size_t next = 0;
  for (int agent = 0; agent < scene_.num_agents(); ++agent) {
    for (int body = 0; body < scene_.num_bodies(); ++body)
      seen_[next++] = Look(agent, body) ? 1 : 0;
  }
}

bool Sight::Look(int agent, int body) const {
  if (agent == body) return true;
  const auto self = scene_.Position(agent), other = scene_.Position(body);
  double dx = other[0] - self[0], dy = other[1] - self[1];
  if (!cone_uses_corner_) {
    const Vector3 from = scene_.Centre(agent), to = scene_.Centre(body);
    dx = to[0] - from[0];
    dy = to[1] - from[1];
  }
  if (!InCone(agent, dx, dy)) return false;
  const Vector3 from = scene_.Centre(agent);
  const Ray ray = Between(from, scene_.ShapeCentre(body));
  return scene_.rays().Cast(from, ray.direction, agent).body == body;
}

bool Sight::SeesPoint(int agent, const Vector3& point) const {
  const Vector3 from = scene_.Centre(agent);
  const auto corner = scene_.Position(agent);
  const double eye_x = cone_uses_corner_ ? corner[0] : from[0];
  const double eye_y = cone_uses_corner_ ? corner[1] : from[1];
  if (!InCone(agent, point[0] - eye_x, point[1] - eye_y)) return false;
  const Ray ray = Between(from, point);
  const RayCaster::Hit hit = scene_.rays().Cast(from, ray.direction, agent);
  return hit.distance < 0 || hit.distance >= ray.length;
}

bool Sight::InCone(int agent, double dx, double dy) const {
  const double facing = scene_.Position(agent)[3] - std::numbers::pi / 2;
  // The cosine of the angle between, without wrapping it.
  const double along = std::cos(facing) * dx + std::sin(facing) * dy;
  return along >= std::cos(cone_half_angle_) * std::hypot(dx, dy);
}

}  // namespace millrace::hide_and_seek
