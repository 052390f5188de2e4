// MJCF texts of Gymnasium's MuJoCo environments, compiled in from its package (MIT licence).
#pragma once

namespace millrace {

extern const char* const kHalfCheetahModel;
extern const char* const kHopperModel;
extern const char* const kWalker2dModel;
extern const char* const kAntModel;
extern const char* const kHumanoidModel;

}  // namespace millrace
