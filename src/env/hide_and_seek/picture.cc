#include "env/hide_and_seek/picture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "env/hide_and_seek/picture_colors.h"
#include "env/hide_and_seek/scene_model.h"

namespace millrace::hide_and_seek {
namespace {

using shapes::Circle, shapes::Color, shapes::Label, shapes::Line, shapes::Paint, shapes::Point,
    shapes::Polygon;

constexpr Color kOutside = {0.97, 0.97, 0.97}, kFloor = {0.90, 0.90, 0.88};
constexpr Color kDoor = {0.98, 0.95, 0.80}, kWall = {0.35, 0.35, 0.38};
constexpr Color kOuterWall = {0.18, 0.18, 0.20};
constexpr Color kRampTop = {0.20, 0.35, 0.18};
constexpr Color kFood = {0.20, 0.65, 0.25}, kBorder = {0.25, 0.22, 0.15}, kWhite = {1, 1, 1};
constexpr double kThin = 0.015, kThick = 0.06, kGripWidth = 0.05;  // of lines, in metres
constexpr double kFoodRadius = 0.1;                                // of the original's sites
constexpr double kConeOpacity = 0.14, kRayOpacity = 0.16, kRayWidth = 0.006;
constexpr double kRoom = 0.15;  // around the middle of what is outside of the floor
constexpr int kRampBands = 4;
constexpr int kConeRays = 30;
constexpr int kMapRows = 30;  // the original's cells

Color Faint(Color color, double opacity) {
  color.opacity = opacity;
  return color;
}

// Draws one moment; used once.
class Picture {
 public:
  Picture(const Settings& settings, const Episode& episode)
      : settings_(settings), episode_(episode), scene_(episode.scene()) {}

  Drawing Draw() {
    drawing_.background = kOutside;
    drawing_.map_rows = kMapRows;
    drawing_.caption = Caption();
    SetBounds();
    AddFloor();
    AddFood();
    for (int agent = 0; agent < episode_.num_agents(); ++agent) AddSight(agent);
    AddThings();
    AddWalls();
    for (int agent = 0; agent < episode_.num_agents(); ++agent) AddGrip(agent);
    for (int agent = 0; agent < episode_.num_agents(); ++agent) AddAgent(agent);
    return std::move(drawing_);
  }

 private:
  Color TeamColor(int agent) const { return episode_.is_hider(agent) ? kHiderColor : kSeekerColor; }
  Point PointOf(int body, double along, double across) const {
    const Vector3 point = scene_.PointOf(body, along, across);
    return {point[0], point[1]};
  }
  Point MiddleOf(int body) const { return PointOf(body, 0, 0); }
  std::string NameOf(int agent) const {
    return episode_.is_hider(agent) ? absl::StrCat("hider_", agent)
                                    : absl::StrCat("seeker_", agent - episode_.world().hiders);
  }

  template <typename Shape>
  void Add(Shape shape) {
    drawing_.shapes.emplace_back(std::move(shape));
  }
  void AddRect(const Rect& rect, const Color& fill, const char* mark = "") {
    Add(Polygon{RectangleCorners({rect.x0, rect.y0}, {rect.x1, rect.y1}), {.fill = fill}, mark});
  }

  // Whole metres, so that the picture does not tremble with an agent that walks about outside.
  void SetBounds() {
    drawing_.low = {0, 0};
    drawing_.high = {settings_.floor_size, settings_.floor_size};
    for (int body = 0; body < scene_.num_bodies(); ++body) {
      const Vector3 centre = scene_.Centre(body);
      drawing_.low.x = std::min(drawing_.low.x, std::floor(centre[0] - kRoom));
      drawing_.low.y = std::min(drawing_.low.y, std::floor(centre[1] - kRoom));
      drawing_.high.x = std::max(drawing_.high.x, std::ceil(centre[0] + kRoom));
      drawing_.high.y = std::max(drawing_.high.y, std::ceil(centre[1] + kRoom));
    }
  }

  void AddFloor() {
    AddRect({0, 0, settings_.floor_size, settings_.floor_size}, kFloor);
    for (const Door& door : episode_.world().plan.doors) {
      AddRect(OpeningOf(door, settings_.cell()), kDoor);
    }
  }

  void AddWalls() {
    for (const Wall& wall : episode_.world().plan.walls) {
      AddRect(RectOf(wall, settings_.cell()), wall.outer ? kOuterWall : kWall, "##");
    }
  }

  void AddFood() {
    for (const Food::Site& site : episode_.food().sites()) {
      const double left = std::clamp(site.health / settings_.food_health, 0.0, 1.0);
      Add(Circle{{site.x, site.y},
                 kFoodRadius,
                 {.fill = Faint(kFood, left), .stroke = kFood, .stroke_width = kThin},
                 left > 0 ? "**" : ""});
    }
  }

  void AddSight(int agent) {
    const Vector3 eye = scene_.Centre(agent);
    const Point from = {eye[0], eye[1]};
    Polygon sector{{from}, {.fill = Faint(TeamColor(agent), kConeOpacity)}};
    for (int ray = 0; ray <= kConeRays; ++ray) {
      const double turn = settings_.cone_half_angle * (2.0 * ray / kConeRays - 1);
      const Vector3 direction = {std::cos(scene_.Heading(agent) + turn),
                                 std::sin(scene_.Heading(agent) + turn), 0};
      const double distance = scene_.rays().Cast(eye, direction, agent).distance;
      const double far = distance < 0 ? 2 * settings_.floor_size : distance;
      sector.corners.push_back({from.x + far * direction[0], from.y + far * direction[1]});
    }
    Add(std::move(sector));
    std::vector<float> lidar(static_cast<size_t>(settings_.lidar_rays));
    scene_.rays().CastCircle(eye, agent, settings_.lidar_range, lidar);
    for (size_t ray = 0; ray < lidar.size(); ++ray) {
      const double angle =
          2 * std::numbers::pi * static_cast<double>(ray) / static_cast<double>(lidar.size());
      Add(Line{from,
               {from.x + lidar[ray] * std::cos(angle), from.y + lidar[ray] * std::sin(angle)},
               Faint(TeamColor(agent), kRayOpacity),
               kRayWidth});
    }
  }

  // Ramps first: boxes may lie on them.
  void AddThings() {
    for (int thing = scene_.num_boxes(); thing < scene_.num_things(); ++thing) AddRamp(thing);
    for (int thing = 0; thing < scene_.num_boxes(); ++thing) {
      AddThing(thing, kBoxColor, {"[]", "[h", "[s"});
    }
  }

  // `marks`: free, of hiders, of seekers.
  void AddThing(int thing, const Color& fill, const std::array<const char*, 3>& marks) {
    const int body = episode_.num_agents() + thing, owner = episode_.owner(thing);
    const auto& size = scene_.size(body);
    const auto at = [&](double along, double across) { return PointOf(body, along, across); };
    const double x = size[0] / 2, y = size[1] / 2;
    Paint paint{.fill = fill, .stroke = kBorder, .stroke_width = kThin};
    const char* mark = marks[0];
    if (episode_.locked(thing)) {
      paint.stroke = TeamColor(owner);
      paint.stroke_width = kThick;
      mark = episode_.is_hider(owner) ? marks[1] : marks[2];
    }
    Add(Polygon{{at(-x, -y), at(x, -y), at(x, y), at(-x, y)}, paint, mark});
  }

  // Its tall face is at low y of its own frame.
  void AddRamp(int thing) {
    AddThing(thing, kRampColor, {"/\\", "/h", "/s"});
    const int body = episode_.num_agents() + thing;
    const double x = scene_.size(body)[0] / 2 - kThick, y = scene_.size(body)[1] / 2 - kThick;
    const auto at = [&](double along, double across) { return PointOf(body, along, across); };
    for (int band = 0; band < kRampBands; ++band) {
      const double low = -y + 2 * y * band / kRampBands, high = low + 2 * y / kRampBands;
      const double height = 1 - static_cast<double>(band) / kRampBands;
      Add(Polygon{{at(-x, low), at(x, low), at(x, high), at(-x, high)},
                  {.fill = Faint(kRampTop, 0.75 * height * height)}});
    }
  }

  void AddGrip(int agent) {
    const int thing = scene_.held(agent);
    if (thing == Scene::kNoThing) return;
    Add(Line{MiddleOf(agent), MiddleOf(episode_.num_agents() + thing), TeamColor(agent),
             kGripWidth});
  }

  void AddAgent(int agent) {
    const auto at = [&](double along, double across) { return PointOf(agent, along, across); };
    const Color color = TeamColor(agent);
    const Paint paint{.fill = color, .stroke = kWhite, .stroke_width = kThin};
    for (const auto& arm : kArms) Add(Circle{at(arm[0], arm[1]), kArmRadius, paint});
    const double r = kAgentRadius;
    Add(Polygon{{at(-0.5 * r, -0.7 * r), at(0, -1.6 * r), at(0.5 * r, -0.7 * r)}, paint});
    Add(Circle{MiddleOf(agent), r, paint, Mark(agent)});
    const int number = episode_.is_hider(agent) ? agent : agent - episode_.world().hiders;
    Add(Label{MiddleOf(agent), absl::StrCat(number), 1.2 * r, kWhite});
  }

  std::string Mark(int agent) const {
    const auto quarter = std::lround(scene_.Heading(agent) / (std::numbers::pi / 2));
    return {episode_.is_hider(agent) ? 'H' : 'S', ">^<v"[((quarter % 4) + 4) % 4]};
  }

  std::string Caption() const {
    std::vector<std::string> sights;
    for (int seeker = episode_.world().hiders; seeker < episode_.num_agents(); ++seeker) {
      std::vector<std::string> seen;
      for (int hider = 0; hider < episode_.world().hiders; ++hider) {
        if (episode_.sight().Sees(seeker, hider)) seen.push_back(NameOf(hider));
      }
      if (seen.empty()) continue;
      sights.push_back(absl::StrCat(NameOf(seeker), " sees ", absl::StrJoin(seen, ", ")));
    }
    const int64_t left = settings_.preparation_steps() - episode_.step();
    const std::string phase = left > 0 ? absl::StrCat("preparation, ", left, " steps left")
                                       : absl::StrCat("hide and seek");
    return absl::StrCat(phase, ": ",
                        sights.empty() ? "no hider is seen" : absl::StrJoin(sights, "; "));
  }

  const Settings& settings_;
  const Episode& episode_;
  const Scene& scene_;
  Drawing drawing_;
};

}  // namespace

Drawing DrawEpisode(const Settings& settings, const Episode& episode) {
  return Picture(settings, episode).Draw();
}

}  // namespace millrace::hide_and_seek
