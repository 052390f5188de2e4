// A drawing for terminals.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "millrace/data/drawing.h"

namespace millrace {

// `map_rows` lines of text, the highest y first, two characters for each square cell: the marks of
// the drawing's shapes, later ones over earlier ones. Empty if map_rows is 0. kInvalidArgument as
// CheckDrawing.
absl::StatusOr<std::string> CharacterMap(const Drawing& drawing);

}  // namespace millrace
