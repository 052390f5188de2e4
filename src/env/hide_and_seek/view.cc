#include "env/hide_and_seek/view.h"

#include <algorithm>

#include "env/hide_and_seek/picture_colors.h"
#include "millrace/core/status.h"

namespace millrace::hide_and_seek {
namespace {

// The light comes from the camera.
void SetLight(mjModel& model) {
  std::ranges::fill(model.vis.headlight.ambient, 0.5F);
  std::ranges::fill(model.vis.headlight.diffuse, 0.6F);
  std::ranges::fill(model.vis.headlight.specular, 0.1F);
}

// Darker than the floor; how much shows through stays.
void PaintWalls(mjModel& model) {
  constexpr float kWallGrey = 0.3F;
  for (int geom = 0; geom < model.ngeom; ++geom) {
    if (model.geom_group[geom] == 1) std::fill_n(model.geom_rgba + 4 * geom, 3, kWallGrey);
  }
}

void Paint(Episode& episode) {
  Scene& scene = episode.scene();
  PaintWalls(scene.simulation().model());
  const auto team = [&](int agent) { return episode.is_hider(agent) ? kHiderColor : kSeekerColor; };
  for (int agent = 0; agent < scene.num_agents(); ++agent) scene.SetColor(agent, team(agent));
  for (int thing = 0; thing < scene.num_things(); ++thing) {
    const shapes::Color own = thing < scene.num_boxes() ? kBoxColor : kRampColor;
    scene.SetColor(scene.num_agents() + thing,
                   episode.locked(thing) ? team(episode.owner(thing)) : own);
  }
}

mjvCamera Camera(const Settings& settings) {
  mjvCamera camera;
  mjv_defaultCamera(&camera);
  camera.lookat[0] = camera.lookat[1] = settings.floor_size / 2;
  camera.distance = 1.45 * settings.floor_size;
  camera.azimuth = 90;
  camera.elevation = -60;
  return camera;
}

}  // namespace

absl::StatusOr<Image> RenderEpisode(const Settings& settings, Episode& episode, int width,
                                    int height, std::unique_ptr<MujocoRenderer>& renderer) {
  MILLRACE_RETURN_IF_ERROR(PrepareRenderer(episode.scene().simulation(), width, height, renderer));
  SetLight(episode.scene().simulation().model());
  Paint(episode);
  return renderer->Render(Camera(settings));
}

}  // namespace millrace::hide_and_seek
