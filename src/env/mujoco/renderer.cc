#include "env/mujoco/renderer.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/str_cat.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr int kMostGeoms = 2000;

// The few names of EGL's interface that are needed: its headers need not be there.
using EglDisplay = void*;
using EglConfig = void*;
using EglContext = void*;
constexpr int kNone = 0x3038, kSurfaceType = 0x3033, kRenderableType = 0x3040;
constexpr int kRedSize = 0x3024, kGreenSize = 0x3023, kBlueSize = 0x3022, kDepthSize = 0x3025;
constexpr int kOpenGlBit = 8;
constexpr unsigned kOpenGlApi = 0x30A2, kSurfacelessPlatform = 0x31DD;

struct Egl {
  void (*(*get_proc_address)(const char*))();
  EglDisplay (*get_platform_display)(unsigned platform, void* native, const int* attributes);
  unsigned (*initialize)(EglDisplay display, int* major, int* minor);
  unsigned (*choose_config)(EglDisplay display, const int* attributes, EglConfig* configs, int size,
                            int* count);
  unsigned (*bind_api)(unsigned api);
  EglContext (*create_context)(EglDisplay display, EglConfig config, EglContext shared,
                               const int* attributes);
  unsigned (*make_current)(EglDisplay display, void* draw, void* read, EglContext context);
  unsigned (*destroy_context)(EglDisplay display, EglContext context);
};

absl::Status Missing(const std::string& what) {
  return absl::ResourceExhaustedError(absl::StrCat(
      "pictures in space need GL without a screen: expected the Debian packages libegl1, "
      "libegl-mesa0, libgl1 and libgl1-mesa-dri (apt-get install), got: ",
      what));
}

template <typename Function>
bool Find(void* library, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(::dlsym(library, name));
  return function != nullptr;
}

absl::StatusOr<Egl> LoadEgl() {
  // Never unloaded: drivers leave threads and handlers behind. MuJoCo looks for GL's functions
  // among what is loaded.
  void* const library = ::dlopen("libEGL.so.1", RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) return Missing(::dlerror());
  Egl egl{};
  const bool complete = Find(library, "eglGetProcAddress", egl.get_proc_address) &&
                        Find(library, "eglInitialize", egl.initialize) &&
                        Find(library, "eglChooseConfig", egl.choose_config) &&
                        Find(library, "eglBindAPI", egl.bind_api) &&
                        Find(library, "eglCreateContext", egl.create_context) &&
                        Find(library, "eglMakeCurrent", egl.make_current) &&
                        Find(library, "eglDestroyContext", egl.destroy_context);
  if (!complete) return Missing("a libEGL without the functions of EGL 1.4");
  egl.get_platform_display = reinterpret_cast<decltype(egl.get_platform_display)>(
      egl.get_proc_address("eglGetPlatformDisplayEXT"));
  if (egl.get_platform_display == nullptr) return Missing("a libEGL without platform displays");
  return egl;
}

}  // namespace

// A GL context that draws into its own buffers.
class MujocoRenderer::Gl {
 public:
  static absl::StatusOr<std::unique_ptr<Gl>> Create() {
    MILLRACE_ASSIGN_OR_RETURN(const Egl egl, LoadEgl());
    const EglDisplay display = egl.get_platform_display(kSurfacelessPlatform, nullptr, nullptr);
    if (display == nullptr || egl.initialize(display, nullptr, nullptr) == 0) {
      return Missing("an EGL that has no surfaceless platform");
    }
    const std::array<int, 13> attributes = {
        kSurfaceType, 0, kRenderableType, kOpenGlBit, kRedSize, 8, kGreenSize, 8,
        kBlueSize,    8, kDepthSize,      24,         kNone};
    EglConfig config = nullptr;
    int count = 0;
    if (egl.choose_config(display, attributes.data(), &config, 1, &count) == 0 || count == 0 ||
        egl.bind_api(kOpenGlApi) == 0) {
      return Missing("an EGL without OpenGL");
    }
    const EglContext context = egl.create_context(display, config, nullptr, nullptr);
    if (context == nullptr) return Missing("an EGL that makes no context");
    std::unique_ptr<Gl> gl(new Gl(egl, display, context));
    if (!gl->Use()) return Missing("an EGL that draws on surfaces alone");
    return gl;
  }
  ~Gl() {
    egl_.make_current(display_, nullptr, nullptr, nullptr);
    egl_.destroy_context(display_, context_);
  }
  Gl(const Gl&) = delete;
  Gl& operator=(const Gl&) = delete;

  bool Use() { return egl_.make_current(display_, nullptr, nullptr, context_) != 0; }

 private:
  Gl(const Egl& egl, EglDisplay display, EglContext context)
      : egl_(egl), display_(display), context_(context) {}

  const Egl egl_;
  const EglDisplay display_;
  const EglContext context_;
};

absl::StatusOr<std::unique_ptr<MujocoRenderer>> MujocoRenderer::Create(MujocoSimulation& simulation,
                                                                       int width, int height) {
  MILLRACE_ASSIGN_OR_RETURN(auto gl, Gl::Create());
  return std::unique_ptr<MujocoRenderer>(
      new MujocoRenderer(simulation, std::move(gl), width, height));
}

MujocoRenderer::MujocoRenderer(MujocoSimulation& simulation, std::unique_ptr<Gl> gl, int width,
                               int height)
    : simulation_(simulation), gl_(std::move(gl)), width_(width), height_(height) {
  mjModel& model = simulation.model();
  model.vis.global.offwidth = width;
  model.vis.global.offheight = height;
  // Shadows and smooth edges cost fifteen times the time of everything else on a processor.
  model.vis.quality.shadowsize = 0;
  model.vis.quality.offsamples = 0;
  mjr_defaultContext(&context_);
  mjr_makeContext(&model, &context_, mjFONTSCALE_100);
  mjr_setBuffer(mjFB_OFFSCREEN, &context_);
  mjv_defaultScene(&scene_);
  mjv_makeScene(&model, &scene_, kMostGeoms);
}

MujocoRenderer::~MujocoRenderer() {
  gl_->Use();
  mjv_freeScene(&scene_);
  mjr_freeContext(&context_);
}

Image MujocoRenderer::Render(const mjvCamera& camera) {
  gl_->Use();
  mjvOption option;
  mjv_defaultOption(&option);
  mjvCamera moved = camera;
  mjv_updateScene(&simulation_.model(), &simulation_.data(), &option, nullptr, &moved, mjCAT_ALL,
                  &scene_);
  const mjrRect all = {0, 0, width_, height_};
  mjr_render(all, &scene_, &context_);
  const size_t row = 3 * static_cast<size_t>(width_);
  std::vector<uint8_t> upside_down(row * static_cast<size_t>(height_));
  mjr_readPixels(upside_down.data(), nullptr, all, &context_);
  Image image{width_, height_, std::vector<uint8_t>(upside_down.size())};
  for (size_t y = 0; y < static_cast<size_t>(height_); ++y) {
    std::copy_n(upside_down.end() - static_cast<ptrdiff_t>((y + 1) * row), row,
                image.rgb.begin() + static_cast<ptrdiff_t>(y * row));
  }
  return image;
}

absl::Status PrepareRenderer(MujocoSimulation& simulation, int width, int height,
                             std::unique_ptr<MujocoRenderer>& renderer) {
  if (renderer != nullptr && renderer->width() == width && renderer->height() == height) {
    return absl::OkStatus();
  }
  renderer.reset();
  MILLRACE_ASSIGN_OR_RETURN(renderer, MujocoRenderer::Create(simulation, width, height));
  return absl::OkStatus();
}

}  // namespace millrace
