// Pictures of a simulation by MuJoCo's own renderer, without a screen: Mesa draws on the processor.
#pragma once

#include <mujoco/mujoco.h>

#include <memory>

#include "absl/status/statusor.h"
#include "env/mujoco/simulation.h"
#include "millrace/data/image.h"

namespace millrace {

// GL is loaded when it is needed, so that nothing links it. Bound to the thread that made it.
class MujocoRenderer {
 public:
  // Of this simulation alone, which must outlive it. kResourceExhausted with the names of Debian's
  // packages if there is no EGL that works without a screen.
  static absl::StatusOr<std::unique_ptr<MujocoRenderer>> Create(MujocoSimulation& simulation,
                                                                int width, int height);
  ~MujocoRenderer();
  MujocoRenderer(const MujocoRenderer&) = delete;
  MujocoRenderer& operator=(const MujocoRenderer&) = delete;

  int width() const { return width_; }
  int height() const { return height_; }
  Image Render(const mjvCamera& camera);

 private:
  class Gl;
  MujocoRenderer(MujocoSimulation& simulation, std::unique_ptr<Gl> gl, int width, int height);

  MujocoSimulation& simulation_;
  const std::unique_ptr<Gl> gl_;
  const int width_, height_;
  mjrContext context_;
  mjvScene scene_;
};

// Makes `renderer` anew if there is none of this size.
absl::Status PrepareRenderer(MujocoSimulation& simulation, int width, int height,
                             std::unique_ptr<MujocoRenderer>& renderer);

}  // namespace millrace
