#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "inference/field_names.h"
#include "inference/image_inputs.h"
#include "inference/model_options.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

absl::Status SetFilters(const Options& options, ConvolutionSpec& convolution) {
  if (!options.Has("filters")) return absl::OkStatus();
  const auto is_size = [](double number) {
    return number == std::floor(number) && number >= 1 && number <= kMaxModelWidth;
  };
  convolution.filters.clear();
  for (const std::vector<double>& filter : options.GetDoubleLists("filters", {})) {
    if (filter.size() != 3 || !std::ranges::all_of(filter, is_size)) {
      return BadOption(
          options, "filters",
          absl::StrCat("lists of [channels, kernel, stride], each 1 to ", kMaxModelWidth),
          absl::StrCat("[", absl::StrJoin(filter, ", "), "]"));
    }
    convolution.filters.push_back({static_cast<int64_t>(filter[0]), static_cast<int64_t>(filter[1]),
                                   static_cast<int64_t>(filter[2])});
  }
  if (!convolution.filters.empty()) return absl::OkStatus();
  return BadOption(options, "filters", "at least one list of [channels, kernel, stride]", "none");
}

absl::Status SetImages(const Options& options, ModelSpec& spec) {
  std::vector<std::string> every;
  for (const Field& field : spec.observation.fields) {
    if (field.shape.size() == 3 && field.name != kActionMask) every.push_back(field.name);
  }
  FieldNames fields(options, spec.observation, "images");
  spec.convolution.images = options.GetStrings("images", every);
  for (const std::string& name : spec.convolution.images) {
    MILLRACE_ASSIGN_OR_RETURN(const Field* field, fields.Claim("images", name));
    if (field->shape.size() != 3) {
      return fields.BadShape("images", *field, "fields of shape [H, W, C]");
    }
    if (field->dtype == DType::kUInt8 || field->dtype == DType::kFloat32) continue;
    return BadOption(options, "images", "fields of uint8 or float32",
                     absl::StrCat(Quoted(name), " of ", std::string(Name(field->dtype))));
  }
  if (!spec.convolution.images.empty()) return absl::OkStatus();
  return BadOption(options, "images", "at least one field of shape [H, W, C]", "none");
}

absl::Status CheckKernels(const Options& options, const ModelSpec& spec) {
  for (const ImageInput& image : ImageInputsOf(spec)) {
    for (size_t i = 0; i < image.layers.size(); ++i) {
      const ConvolutionShape& layer = image.layers[i];
      if (layer.kernel <= std::min(layer.height, layer.width)) continue;
      return BadOption(options, "filters",
                       absl::StrCat("a kernel within the [", layer.height, ", ", layer.width,
                                    "] that layer ", i + 1, " sees of ", Quoted(image.field)),
                       absl::StrCat(layer.kernel));
    }
  }
  return absl::OkStatus();
}

}  // namespace

void AskCnnOptions(const Options& options) {
  options.GetStrings("images", {});
  options.GetDoubleLists("filters", {});
}

absl::Status CheckCnnOptions(const Options& options, ModelSpec& spec) {
  MILLRACE_RETURN_IF_ERROR(SetFilters(options, spec.convolution));
  MILLRACE_RETURN_IF_ERROR(SetImages(options, spec));
  MILLRACE_RETURN_IF_ERROR(CheckKernels(options, spec));
  if (!spec.normalize_observation || spec.num_features() > 0) return absl::OkStatus();
  return BadOption(options, "normalize_observation",
                   "false for an observation of images alone, which are not normalised", "true");
}

}  // namespace millrace
