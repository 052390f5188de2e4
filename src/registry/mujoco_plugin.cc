// libmillrace-mujoco.so: the environments that need MuJoCo, as a plug-in of our own.
#include "env/hide_and_seek/hide_and_seek.h"
#include "env/mujoco/locomotion.h"
#include "millrace/registry/plugin.h"
#include "millrace/registry/registry.h"

MILLRACE_PLUGIN_ABI
extern "C" void MillraceRegister(millrace::Registry& registry) {
  registry.AddEnvironment("half_cheetah", millrace::MakeHalfCheetah);
  registry.AddEnvironment("hopper", millrace::MakeHopper);
  registry.AddEnvironment("walker2d", millrace::MakeWalker2d);
  registry.AddEnvironment("ant", millrace::MakeAnt);
  registry.AddEnvironment("humanoid", millrace::MakeHumanoid);
  registry.AddEnvironment("hide_and_seek_quadrant", millrace::MakeHideAndSeekQuadrant);
  registry.AddEnvironment("hide_and_seek_full", millrace::MakeHideAndSeekFull);
  registry.AddEnvironment("hide_and_seek_large", millrace::MakeHideAndSeekLarge);
  registry.AddEnvironment("hide_and_seek_lock_and_return", millrace::MakeHideAndSeekLockAndReturn);
  registry.AddEnvironment("hide_and_seek_sequential_lock", millrace::MakeHideAndSeekSequentialLock);
  registry.AddEnvironment("hide_and_seek_blueprint", millrace::MakeHideAndSeekBlueprint);
  registry.AddEnvironment("hide_and_seek_shelter", millrace::MakeHideAndSeekShelter);
  registry.AddEnvironment("hide_and_seek_counting", millrace::MakeHideAndSeekCounting);
}
