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
      all_around_(settings.cone_half_angle >= std::numbers::pi),
      cone_cosine_(std::cos(settings.cone_half_angle)),
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
  if (!InCone(agent, Place(body))) return false;
  const Vector3 from = scene_.Centre(agent);
  const Ray ray = Between(from, scene_.ShapeCentre(body));
  return scene_.rays().Cast(from, ray.direction, agent).body == body;
}

bool Sight::SeesPoint(int agent, const Vector3& point) const {
  if (!InCone(agent, {point[0], point[1]})) return false;
  const Vector3 from = scene_.Centre(agent);
  const Ray ray = Between(from, point);
  const RayCaster::Hit hit = scene_.rays().Cast(from, ray.direction, agent);
  return hit.distance < 0 || hit.distance >= ray.length;
}

std::array<double, 2> Sight::Place(int body) const {
  if (cone_uses_corner_) return {scene_.Position(body)[0], scene_.Position(body)[1]};
  const Vector3 centre = scene_.Centre(body);
  return {centre[0], centre[1]};
}

bool Sight::InCone(int agent, const std::array<double, 2>& place) const {
  const auto [x, y] = Place(agent);
  const double dx = place[0] - x, dy = place[1] - y;
  const double facing = scene_.Heading(agent);
  if (all_around_) return true;  // also where rounding makes the cosine less than -1
  // The cosine of the angle between, without wrapping it.
  const double along = std::cos(facing) * dx + std::sin(facing) * dy;
  return along >= cone_cosine_ * std::hypot(dx, dy);
}

}  // namespace millrace::hide_and_seek
