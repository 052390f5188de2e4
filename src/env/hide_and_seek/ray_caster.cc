// A ray meets the shapes one pair after the other, without branches: a branch that goes wrong costs
// as much as three shapes.
//
// A circle of rays looks at the matter from the other side: of each shape it asks which rays can
// meet it, and tries these alone. Horizontal rays make the problem flat: of walls, boxes and ramps
// they see rectangles, of spheres circles. What counts is 1 / distance, because for a straight side
// it is a linear function of the ray's direction: no division, and the greatest one is the nearest
// hit.
#include "env/hide_and_seek/ray_caster.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numbers>

namespace millrace::hide_and_seek {
namespace {

using Lanes = RayCaster::Lanes;
using SpherePair = RayCaster::SpherePair;
using UprightPair = RayCaster::UprightPair;
constexpr size_t kLanes = RayCaster::kLanes;

constexpr double kFar = std::numeric_limits<double>::max();
// Added to divisors that can be 0; it vanishes beside anything else.
constexpr double kTiny = 1e-100;
// So many neighbours of a circle are tried at once.
constexpr int64_t kBlock = 4;

// An extension of GCC and clang. From loops over two lanes GCC 12 makes branches, not vectors.
using Two = double __attribute__((vector_size(sizeof(Lanes))));

Two Load(const Lanes& lanes) {
  Two two;
  std::memcpy(&two, lanes.data(), sizeof(two));
  return two;
}

Lanes Store(Two two) {
  Lanes lanes;
  std::memcpy(lanes.data(), &two, sizeof(two));
  return lanes;
}

Two Both(double x) { return Two{x, x}; }
Two Lesser(Two a, Two b) { return a < b ? a : b; }
Two Greater(Two a, Two b) { return a > b ? a : b; }
Two Magnitude(Two a) { return Greater(a, -a); }
Two Root(Two a) { return Two{std::sqrt(a[0]), std::sqrt(a[1])}; }
Two Inverse(Two a) { return 1 / (a + kTiny); }

// As the vectors' ones: the second, if either is not a number.
double Lesser(double a, double b) { return a < b ? a : b; }
double Greater(double a, double b) { return a > b ? a : b; }

// --- One ray ---

struct Ray {
  Vector3 origin, direction;
  Vector3 inverse;  // 1 / direction
};

// The nearest hit so far, of each lane.
struct Nearest {
  Two distance = Both(kFar), body = Both(-1);
};

// The ray is within two shapes between `in` and `out` metres; never, if in > out.
void Take(Two in, Two out, Two body, double ignored, Nearest& nearest) {
  Two distance = in < 0 ? out : in;
  distance = Lesser(out - in, out) < 0 ? Both(kFar) : distance;
  distance = body == ignored ? Both(kFar) : distance;
  nearest.body = distance < nearest.distance ? body : nearest.body;
  nearest.distance = Lesser(distance, nearest.distance);
}

enum class Kind { kWall, kBox, kRamp };

template <Kind kind>
void Meet(const UprightPair& pair, const Ray& ray, double ignored, Nearest& nearest) {
  const Two b = Load(pair.b), c = Load(pair.c);
  // In the shape's own axes: the way to its centre, and metres of the ray per metre along each.
  Two x = Load(pair.x) - ray.origin[0], y = Load(pair.y) - ray.origin[1];
  const Two z = Load(pair.z) - ray.origin[2];
  Two dy = Both(ray.direction[1]);
  Two per_x = Both(ray.inverse[0]), per_y = Both(ray.inverse[1]);
  const Two per_z = Both(ray.inverse[2]);
  if constexpr (kind != Kind::kWall) {
    const Two cos = Load(pair.cos), sin = Load(pair.sin), east = x, north = y;
    x = cos * east + sin * north;
    y = cos * north - sin * east;
    dy = cos * ray.direction[1] - sin * ray.direction[0];
    per_x = Inverse(cos * ray.direction[0] + sin * ray.direction[1]);
    per_y = Inverse(dy);
  }
  const Two middle_x = x * per_x, half_x = Load(pair.a) * Magnitude(per_x);
  const Two middle_y = y * per_y, half_y = b * Magnitude(per_y);
  const Two middle_z = z * per_z, half_z = c * Magnitude(per_z);
  Two in = Greater(Greater(middle_x - half_x, middle_y - half_y), middle_z - half_z);
  Two out = Lesser(Lesser(middle_x + half_x, middle_y + half_y), middle_z + half_z);
  if constexpr (kind == Kind::kRamp) {
    // Matter is where c y + b z <= 0, from the centre.
    const Two rise = c * dy + b * ray.direction[2];
    const Two slope = (c * y + b * z) * Inverse(rise);
    in = rise < 0 ? Greater(slope, in) : in;
    out = rise < 0 ? out : Lesser(slope, out);
  }
  Take(in, out, Load(pair.body), ignored, nearest);
}

void Meet(const SpherePair& pair, const Ray& ray, double ignored, Nearest& nearest) {
  const Two x = Load(pair.x) - ray.origin[0], y = Load(pair.y) - ray.origin[1];
  const Two z = Load(pair.z) - ray.origin[2];
  const Two along = x * ray.direction[0] + y * ray.direction[1] + z * ray.direction[2];
  const Two chord = Load(pair.squared_radius) - (x * x + y * y + z * z - along * along);
  if (chord[0] < 0 && chord[1] < 0) return;  // most often; roots are slow
  const Two half = Root(Greater(chord, Both(0)));
  const Two in = chord < 0 ? Both(kFar) : along - half;
  Take(in, along + half, Load(pair.body), ignored, nearest);
}

// Rare, so one at a time. The round side, then top and bottom, cut pieces out of the ray.
void Meet(const RayCaster::Cylinder& cylinder, const Ray& ray, RayCaster::Hit& nearest) {
  const double x = cylinder.x - ray.origin[0], y = cylinder.y - ray.origin[1];
  const double dx = ray.direction[0], dy = ray.direction[1];
  const double flat = dx * dx + dy * dy + kTiny, along = x * dx + y * dy;
  const double chord = along * along - flat * (x * x + y * y - cylinder.squared_radius);
  if (chord < 0) return;
  const double middle_z = (cylinder.z - ray.origin[2]) * ray.inverse[2];
  const double half_z = cylinder.half_height * std::abs(ray.inverse[2]);
  const double in = Greater((along - std::sqrt(chord)) / flat, middle_z - half_z);
  const double out = Lesser((along + std::sqrt(chord)) / flat, middle_z + half_z);
  const double distance = in < 0 ? out : in;
  if (!(in <= out) || out < 0) return;
  if (nearest.distance >= 0 && nearest.distance <= distance) return;
  nearest = {distance, RayCaster::kCylinders};
}

// --- A circle of rays ---

// Directions, and 1 / distance of the nearest hit so far.
struct Rays {
  const double* x;
  const double* y;
  double* nearness;
  double count;
};

// Ray numbers. Past the last ray they go on with the first one as number `count`.
struct Range {
  Lanes first, last;
};

// The angle of (x, y) in quarters of a turn, 0 to 4. Much cheaper than atan2, and at most kError
// off.
constexpr double kError = 0.046;
Two Quarters(Two x, Two y) {
  const Two sine = y / (Magnitude(x) + Magnitude(y) + kTiny);
  const Two angle = x < 0 ? 2 - sine : sine;
  return angle < 0 ? angle + 4 : angle;
}

// The rays from angle `from` on, over `span`, both of Quarters, and no fewer for its error.
Range RaysWithin(Two from, Two span, const Rays& rays) {
  const double per_quarter = rays.count / 4;
  const Two start = from - kError;
  const Two first = (start < 0 ? start + 4 : start) * per_quarter;
  const Two more = Lesser((span + 2 * kError) * per_quarter, Both(rays.count));
  return {Store(first), Store(first + more)};
}

// Calls meet(x, y, nearness) with blocks of neighbouring rays. The pointers are told apart by
// __restrict there: that is a tenth of CastCircle's time.
template <class Function>
void ForRange(const Range& range, size_t lane, const Rays& rays, Function meet) {
  const double first = range.first[lane], last = range.last[lane];
  if (!(first >= 0 && first <= rays.count)) return;  // the place of the shape is not a number
  for (auto k = static_cast<int64_t>(first); static_cast<double>(k) <= last; k += kBlock) {
    meet(rays.x + k, rays.y + k, rays.nearness + k);
  }
}

// What a horizontal plane cuts out of two uprights: rectangles. x, y: from the rays' origin to
// their centres; they are turned like the upright.
struct RectanglePair {
  Two x, y, cos, sin, a, b;
};

template <Kind kind>
RectanglePair Slice(const UprightPair& pair, const Vector3& origin) {
  RectanglePair slice = {Load(pair.x) - origin[0],
                         Load(pair.y) - origin[1],
                         Load(pair.cos),
                         Load(pair.sin),
                         Load(pair.a),
                         Load(pair.b)};
  if constexpr (kind == Kind::kRamp) {
    // The slope cuts off 2 x `cut` at the side of +y.
    const Two cut = slice.b * (1 + (origin[2] - Load(pair.z)) / Load(pair.c)) / 2;
    slice.b -= cut;
    slice.x += cut * slice.sin;
    slice.y -= cut * slice.cos;
  }
  return slice;
}

// Whether the plane meets the uprights, all bits set or none.
using Mask = decltype(Two{} < Two{});
Mask Meets(const UprightPair& pair, const Vector3& origin, double ignored) {
  const Mask reaches = Magnitude(origin[2] - Load(pair.z)) <= Load(pair.c);
  return Load(pair.body) == ignored ? Mask{} : reaches;
}

// What is seen of rectangles from outside: one side or two, between a right and a left corner. 1 /
// distance in a direction between them is the lesser one of its products with `near` and `other`.
struct WedgePair {
  Lanes near_x, near_y, other_x, other_y;
  Lanes right_x, right_y, left_x, left_y;
  Range range;
};

WedgePair Outline(const RectanglePair& r, Two u, Two v, const Rays& rays) {
  // The origin lies so far before the side that looks at it; not before it at all, if negative.
  const Two before_u = Magnitude(u) - r.a, before_v = Magnitude(v) - r.b;
  const Two side_u = u < 0 ? Both(-1) : Both(1), side_v = v < 0 ? Both(-1) : Both(1);
  const Two scale_u = -side_u / Greater(before_u, Both(kTiny));
  const Two scale_v = -side_v / Greater(before_v, Both(kTiny));
  const Two near_ux = scale_u * r.cos, near_uy = scale_u * r.sin;
  const Two near_vx = -scale_v * r.sin, near_vy = scale_v * r.cos;

  // Corners, in the rectangle's own axes: opposite ones if two sides are seen.
  const Mask sees_u = before_u > 0, sees_v = before_v > 0;
  const Two right_u = r.a * (sees_v ? -side_v : side_u), left_u = r.a * (sees_v ? side_v : side_u);
  const Two right_v = r.b * (sees_u ? side_u : side_v), left_v = r.b * (sees_u ? -side_u : side_v);
  const Two right_x = r.x + r.cos * right_u - r.sin * right_v;
  const Two right_y = r.y + r.sin * right_u + r.cos * right_v;
  const Two left_x = r.x + r.cos * left_u - r.sin * left_v;
  const Two left_y = r.y + r.sin * left_u + r.cos * left_v;

  const Two from = Quarters(right_x, right_y), turn = Quarters(left_x, left_y) - from;
  return {Store(sees_u ? near_ux : near_vx),
          Store(sees_u ? near_uy : near_vy),
          Store(sees_v ? near_vx : near_ux),
          Store(sees_v ? near_vy : near_uy),
          Store(right_x),
          Store(right_y),
          Store(left_x),
          Store(left_y),
          RaysWithin(from, turn < 0 ? turn + 4 : turn, rays)};
}

void MeetWedge(const WedgePair& wedges, size_t lane, const Rays& rays) {
  const double near_x = wedges.near_x[lane], near_y = wedges.near_y[lane];
  const double other_x = wedges.other_x[lane], other_y = wedges.other_y[lane];
  const double right_x = wedges.right_x[lane], right_y = wedges.right_y[lane];
  const double left_x = wedges.left_x[lane], left_y = wedges.left_y[lane];
  ForRange(
      wedges.range, lane, rays,
      [=](const double* __restrict x, const double* __restrict y, double* __restrict nearness) {
        for (int64_t k = 0; k < kBlock; ++k) {
          const double met = Lesser(x[k] * near_x + y[k] * near_y, x[k] * other_x + y[k] * other_y);
          // Left of the right corner and right of the left one.
          const double between =
              Lesser(right_x * y[k] - right_y * x[k], left_y * x[k] - left_x * y[k]);
          nearness[k] = Greater(between >= 0 ? met : 0, nearness[k]);
        }
      });
}

// Rays from (u, v) within a rectangle, in its own axes, to its sides. Rare: of the physics' making.
void LeaveRectangle(const RectanglePair& r, Two u, Two v, size_t lane, const Rays& rays) {
  for (int64_t k = 0; static_cast<double>(k) < rays.count; ++k) {
    const double du = r.cos[lane] * rays.x[k] + r.sin[lane] * rays.y[k];
    const double dv = r.cos[lane] * rays.y[k] - r.sin[lane] * rays.x[k];
    const double to_u = Greater(r.a[lane] - std::copysign(1.0, du) * u[lane], kTiny);
    const double to_v = Greater(r.b[lane] - std::copysign(1.0, dv) * v[lane], kTiny);
    rays.nearness[k] = std::max({rays.nearness[k], std::abs(du) / to_u, std::abs(dv) / to_v});
  }
}

template <Kind kind>
void Meet(const std::vector<UprightPair>& pairs, const Vector3& origin, double ignored,
          const Rays& rays) {
  for (const UprightPair& pair : pairs) {
    const Mask meets = Meets(pair, origin, ignored);
    if (meets[0] == 0 && meets[1] == 0) continue;
    const RectanglePair slice = Slice<kind>(pair, origin);
    // The origin in the rectangles' own axes.
    const Two u = -(slice.cos * slice.x + slice.sin * slice.y);
    const Two v = slice.sin * slice.x - slice.cos * slice.y;
    const Mask within = Greater(Magnitude(u) - slice.a, Magnitude(v) - slice.b) <= 0;
    const WedgePair wedges = Outline(slice, u, v, rays);
    for (size_t lane = 0; lane < kLanes; ++lane) {
      if (meets[lane] == 0) continue;
      within[lane] != 0 ? LeaveRectangle(slice, u, v, lane, rays) : MeetWedge(wedges, lane, rays);
    }
  }
}

// What a horizontal plane cuts out of two spheres.
struct DiscPair {
  Lanes x, y, squared_radius;
  Lanes scale;  // 1 / (squared distance - squared radius)
  Range range;
};

DiscPair Slice(const SpherePair& pair, const Vector3& origin, double ignored, const Rays& rays) {
  const Two x = Load(pair.x) - origin[0], y = Load(pair.y) - origin[1];
  const Two z = Load(pair.z) - origin[2];
  const Two squared_radius = Load(pair.squared_radius) - z * z;
  const Two outside = x * x + y * y - squared_radius;
  const Two scale = Inverse(outside);
  // An angle is less than its tangent; from inside, all rays meet the disc.
  const Two tangent = Root(Magnitude(squared_radius * scale));
  const Two wide = Lesser(tangent * (2 / std::numbers::pi), Both(2));
  const Two half = outside > 0 ? wide : Both(2);
  const Two from = Quarters(x, y) - half;
  const Two met = Load(pair.body) == ignored ? Both(-1) : squared_radius;
  return {Store(x), Store(y), Store(met), Store(scale),
          RaysWithin(from < 0 ? from + 4 : from, 2 * half, rays)};
}

void MeetDisc(const DiscPair& discs, size_t lane, const Rays& rays) {
  const double squared_radius = discs.squared_radius[lane];
  if (!(squared_radius > 0)) return;
  const double centre_x = discs.x[lane], centre_y = discs.y[lane], scale = discs.scale[lane];
  ForRange(
      discs.range, lane, rays,
      [=](const double* __restrict x, const double* __restrict y, double* __restrict nearness) {
        std::array<double, kBlock> chord;
        for (int64_t k = 0; k < kBlock; ++k) {
          const double off = x[k] * centre_y - y[k] * centre_x;
          chord[static_cast<size_t>(k)] = squared_radius - off * off;
        }
        for (int64_t k = 0; k < kBlock; ++k) {
          const double squared_half = chord[static_cast<size_t>(k)];
          if (squared_half < 0) continue;
          // 1 / (along - half), or from inside 1 / (along + half), as one formula.
          const double along = x[k] * centre_x + y[k] * centre_y;
          const double met = along * scale + std::sqrt(squared_half) * std::abs(scale);
          nearness[k] = Greater(met, nearness[k]);
        }
      });
}

}  // namespace

RayCaster::Circle::Circle(size_t num_rays) : rays(num_rays) {
  const size_t size = 2 * rays + static_cast<size_t>(kBlock);
  for (size_t k = 0; rays > 0 && k < size; ++k) {
    const double turn = static_cast<double>(k % rays) / static_cast<double>(rays);
    x.push_back(std::cos(2 * std::numbers::pi * turn));
    y.push_back(std::sin(2 * std::numbers::pi * turn));
  }
}

int RayCaster::Uprights::Add(int body, const Vector3& half_size) {
  const size_t lane = static_cast<size_t>(size) % kLanes;
  if (lane == 0) {
    pairs.push_back({});
    for (Lanes* half : {&pairs.back().a, &pairs.back().b, &pairs.back().c}) half->fill(-1);
  }
  UprightPair& pair = pairs.back();
  pair.body[lane] = body;
  pair.a[lane] = half_size[0];
  pair.b[lane] = half_size[1];
  pair.c[lane] = half_size[2];
  Set(size, {}, 0);
  return size++;
}

void RayCaster::Uprights::Set(int index, const Vector3& centre, double yaw) {
  UprightPair& pair = pairs[static_cast<size_t>(index) / kLanes];
  const size_t lane = static_cast<size_t>(index) % kLanes;
  pair.x[lane] = centre[0];
  pair.y[lane] = centre[1];
  pair.z[lane] = centre[2];
  pair.cos[lane] = std::cos(yaw);
  pair.sin[lane] = std::sin(yaw);
}

void RayCaster::Clear() {
  walls_ = boxes_ = ramps_ = {};
  spheres_.clear();
  cylinders_.clear();
  num_spheres_ = 0;
}

void RayCaster::AddWall(const Vector3& low, const Vector3& high) {
  Vector3 centre, half_size;
  for (size_t i = 0; i < 3; ++i) {
    centre[i] = (low[i] + high[i]) / 2;
    half_size[i] = (high[i] - low[i]) / 2;
  }
  walls_.Set(walls_.Add(kWalls, half_size), centre, 0);
}

void RayCaster::AddCylinder(const Vector3& foot, double radius, double height) {
  cylinders_.push_back({foot[0], foot[1], foot[2] + height / 2, radius * radius, height / 2});
}

int RayCaster::AddSphere(int body, double radius) {
  const size_t lane = static_cast<size_t>(num_spheres_) % kLanes;
  if (lane == 0) {
    spheres_.push_back({});
    spheres_.back().squared_radius.fill(-1);
  }
  spheres_.back().body[lane] = body;
  spheres_.back().squared_radius[lane] = radius * radius;
  return num_spheres_++;
}

int RayCaster::AddBox(int body, const Vector3& half_size) { return boxes_.Add(body, half_size); }
int RayCaster::AddRamp(int body, const Vector3& half_size) { return ramps_.Add(body, half_size); }

void RayCaster::SetSphere(int sphere, const Vector3& centre) {
  SpherePair& pair = spheres_[static_cast<size_t>(sphere) / kLanes];
  const size_t lane = static_cast<size_t>(sphere) % kLanes;
  pair.x[lane] = centre[0];
  pair.y[lane] = centre[1];
  pair.z[lane] = centre[2];
}

void RayCaster::SetBox(int box, const Vector3& centre, double yaw) { boxes_.Set(box, centre, yaw); }
void RayCaster::SetRamp(int ramp, const Vector3& centre, double yaw) {
  ramps_.Set(ramp, centre, yaw);
}

RayCaster::Hit RayCaster::Cast(const Vector3& origin, const Vector3& direction, int ignored) const {
  Ray ray = {origin, direction, {}};
  for (size_t i = 0; i < 3; ++i) ray.inverse[i] = 1 / (direction[i] + kTiny);
  Nearest nearest;
  for (const UprightPair& pair : walls_.pairs) Meet<Kind::kWall>(pair, ray, ignored, nearest);
  for (const UprightPair& pair : boxes_.pairs) Meet<Kind::kBox>(pair, ray, ignored, nearest);
  for (const UprightPair& pair : ramps_.pairs) Meet<Kind::kRamp>(pair, ray, ignored, nearest);
  for (const SpherePair& pair : spheres_) Meet(pair, ray, ignored, nearest);
  const size_t lane = nearest.distance[1] < nearest.distance[0] ? 1 : 0;
  Hit hit;
  if (nearest.distance[lane] != kFar) {
    hit = {nearest.distance[lane], static_cast<int>(nearest.body[lane])};
  }
  for (const Cylinder& cylinder : cylinders_) Meet(cylinder, ray, hit);
  return hit;
}

void RayCaster::CastCircle(const Vector3& origin, int ignored, double miss,
                           std::span<float> distances) const {
  if (distances.empty()) return;
  if (distances.size() == circle_.rays) {
    CastCircle(circle_, origin, ignored, miss, distances);
  } else {
    CastCircle(Circle(distances.size()), origin, ignored, miss, distances);
  }
}

void RayCaster::CastCircle(const Circle& circle, const Vector3& origin, int ignored, double miss,
                           std::span<float> distances) const {
  std::array<double, 64> few{};  // no allocation for usual numbers of rays
  std::vector<double> many(circle.x.size() > few.size() ? circle.x.size() : 0);
  const std::span<double> nearness(many.empty() ? few.data() : many.data(), circle.x.size());
  const Rays rays = {circle.x.data(), circle.y.data(), nearness.data(),
                     static_cast<double>(circle.rays)};
  Meet<Kind::kWall>(walls_.pairs, origin, ignored, rays);
  Meet<Kind::kBox>(boxes_.pairs, origin, ignored, rays);
  Meet<Kind::kRamp>(ramps_.pairs, origin, ignored, rays);
  for (const SpherePair& pair : spheres_) {
    const DiscPair discs = Slice(pair, origin, ignored, rays);
    for (size_t lane = 0; lane < kLanes; ++lane) MeetDisc(discs, lane, rays);
  }
  for (const Cylinder& cylinder : cylinders_) {
    if (std::abs(origin[2] - cylinder.z) > cylinder.half_height) continue;
    // The plane cuts out of it what it would cut out of a sphere in its height.
    const SpherePair disc = {.body = {kCylinders, kCylinders},
                             .x = {cylinder.x, 0},
                             .y = {cylinder.y, 0},
                             .z = {origin[2], origin[2]},
                             .squared_radius = {cylinder.squared_radius, -1}};
    MeetDisc(Slice(disc, origin, ignored, rays), 0, rays);
  }
  for (size_t k = nearness.size(); k-- > circle.rays;) {
    nearness[k - circle.rays] = Greater(nearness[k], nearness[k - circle.rays]);
  }
  for (size_t k = 0; k < circle.rays; ++k) {
    distances[k] = static_cast<float>(nearness[k] > 0 ? 1 / nearness[k] : miss);
  }
}

}  // namespace millrace::hide_and_seek
