#include "env/hide_and_seek/transfer/blueprint.h"

#include <algorithm>
#include <cmath>

#include "absl/container/inlined_vector.h"

namespace millrace::hide_and_seek {
namespace {

constexpr double kNear = 0.1;  // metres
constexpr double kAlpha = -1.5, kPerMetre = 0.05, kPerSite = 3;

double Distance(const Vector3& a, const Vector3& b) {
  return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

// The middle of a site, then its corners.
std::array<Vector3, kSiteSquare.size()> PointsOf(const std::array<double, 2>& site) {
  std::array<Vector3, kSiteSquare.size()> points{};
  for (size_t i = 0; i < points.size(); ++i) {
    points[i] = {site[0] + kSiteSquare[i][0], site[1] + kSiteSquare[i][1], kSiteHeight};
  }
  return points;
}

// On the heap only where somebody asks for many boxes.
using Points = absl::InlinedVector<Vector3, 32>;

// Of all boxes.
struct BoxPoints {
  explicit BoxPoints(const Scene& scene) {
    for (int box = 0; box < scene.num_boxes(); ++box) {
      const int body = scene.num_agents() + box;
      const double a = scene.size(body)[0] / 2, b = scene.size(body)[1] / 2;
      middles.push_back(scene.Centre(body));
      for (const auto& [along, across] : {std::array{-a, -b}, {-a, b}, {a, -b}, {a, b}}) {
        corners.push_back(scene.PointOf(body, along, across));
      }
    }
  }
  Points middles, corners;
};

bool AnyNear(const Points& points, const Vector3& to) {
  return std::ranges::any_of(points,
                             [&](const Vector3& point) { return Distance(point, to) < kNear; });
}

using Sites = std::vector<std::array<double, 2>>;

bool Filled(const std::array<double, 2>& site, const BoxPoints& boxes) {
  const auto points = PointsOf(site);
  return AnyNear(boxes.middles, points[0]) &&
         std::all_of(points.begin() + 1, points.end(),
                     [&](const Vector3& corner) { return AnyNear(boxes.corners, corner); });
}

double SoftMinimum(const Points& points, const Vector3& to) {
  double sum = 0, weights = 0;
  for (const Vector3& point : points) {
    const double distance = Distance(point, to), weight = std::exp(kAlpha * distance);
    sum += distance * weight;
    weights += weight;
  }
  return weights > 0 ? sum / weights : 0;
}

double MeanDistance(const Sites& sites, const BoxPoints& boxes) {
  double sum = 0;
  int corners = 0;
  for (const auto& site : sites) {
    const auto points = PointsOf(site);
    for (size_t i = 1; i < points.size(); ++i, ++corners) {
      sum += SoftMinimum(boxes.corners, points[i]);
    }
  }
  return corners == 0 ? 0 : sum / corners;
}

bool AllFilled(const Sites& sites, const BoxPoints& boxes) {
  return std::ranges::all_of(sites, [&](const auto& site) { return Filled(site, boxes); });
}

}  // namespace

void Blueprint::Pay(Episode& episode, std::span<const Action> /*actions*/,
                    std::span<float> rewards) {
  const BoxPoints boxes(episode.scene());
  const Sites& sites = episode.world().sites;
  double reward = -kPerMetre * MeanDistance(sites, boxes);
  if (AllFilled(sites, boxes)) reward += kPerSite * static_cast<double>(sites.size());
  rewards[0] = static_cast<float>(reward);
}

bool Blueprint::Succeeds(const Episode& episode) const {
  return AllFilled(episode.world().sites, BoxPoints(episode.scene()));
}

std::vector<double> Blueprint::Measure(const Episode& episode) const {
  const BoxPoints boxes(episode.scene());
  const Sites& sites = episode.world().sites;
  const auto filled =
      std::ranges::count_if(sites, [&](const auto& site) { return Filled(site, boxes); });
  return {static_cast<double>(filled) / static_cast<double>(sites.size()),
          MeanDistance(sites, boxes)};
}

}  // namespace millrace::hide_and_seek
