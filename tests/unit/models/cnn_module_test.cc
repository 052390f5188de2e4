#include "models/cnn_module.h"

#include "gtest/gtest.h"
#include "native_equals_torch.h"

namespace millrace {
namespace {

// Two cameras, of which one has float32 pixels, a speed and a mask.
ModelSpec Spec() {
  ModelSpec spec;
  spec.type = "cnn";
  spec.hidden = {48};
  spec.activation = Activation::kRelu;
  spec.shared_trunk = true;
  spec.observation.fields = {{"front", DType::kUInt8, {15, 12, 3}, Extent::kRows},
                             {"speed", DType::kFloat32, {2}, Extent::kRows},
                             {kActionMask, DType::kUInt8, {5}, Extent::kRows},
                             {"rear", DType::kFloat32, {9, 10, 1}, Extent::kRows}};
  spec.convolution = {.images = {"front", "rear"}, .filters = {{20, 4, 2}, {16, 2, 1}}};
  spec.action = ActionSpec::Discrete(2);
  spec.action.components.push_back(ActionSpec::Continuous({-1, -1}, {1, 1}).components[0]);
  spec.action.components.push_back(ActionSpec::Discrete(3).components[0]);
  return spec;
}

TEST(Cnn, NativeEqualsLibTorch) {
  torch::manual_seed(1);
  ExpectNativeEqualsTorch(Spec(), 3, 17);
}

TEST(Cnn, NativeEqualsLibTorchOverThePictureOfAtari) {
  torch::manual_seed(2);
  ModelSpec spec = Spec();
  spec.observation.fields = {{"picture", DType::kUInt8, {84, 84, 4}, Extent::kRows}};
  spec.convolution = {.images = {"picture"}};
  ExpectNativeEqualsTorch(spec, 1, 3);
}

TEST(Cnn, NativeEqualsLibTorchInEveryShape) {
  torch::manual_seed(3);
  Rng rng(5, 0);
  const auto one_to = [&rng](int64_t high) { return OneTo(high, rng); };
  for (int i = 0; i < 28; ++i) {
    ModelSpec spec = Spec();
    int64_t smallest = 1;  // image for which the kernels below fit
    spec.convolution.filters.assign(static_cast<size_t>(one_to(3)), {});
    for (auto& layer : spec.convolution.filters) layer = {one_to(70), one_to(4), one_to(3)};
    for (size_t l = spec.convolution.filters.size(); l-- > 0;) {
      const auto& layer = spec.convolution.filters[l];
      smallest = (smallest - 1) * layer.stride + layer.kernel;
    }
    for (const size_t field : {0, 3}) {
      spec.observation.fields[field].shape = {smallest - 1 + one_to(12), smallest - 1 + one_to(12),
                                              one_to(5)};
    }
    spec.hidden.assign(static_cast<size_t>(i % 3), one_to(50));
    spec.activation = i % 3 == 0 ? Activation::kTanh : Activation::kRelu;
    spec.lstm_size = i % 4 == 0 ? one_to(40) : 0;
    spec.shared_trunk = i % 5 != 0;
    spec.normalize_observation = spec.normalize_value = i % 7 == 0;
    SCOPED_TRACE(i);
    ExpectNativeEqualsTorch(spec, /*steps=*/2, one_to(7));
    ExpectModuleHasTheLayout(spec);
  }
}

TEST(Cnn, BytesAreFractionsOf255) {
  torch::manual_seed(4);
  const torch::NoGradGuard no_gradient;
  ModelSpec spec = Spec();
  auto bytes = *MakePolicy(spec, 1);
  spec.observation.fields[0].dtype = DType::kFloat32;
  auto reals = *MakePolicy(spec, 1);
  TensorDict fields = RandomFields(Spec(), {4});
  const auto expected = bytes->Forward(fields, {}, {});
  fields["observation/front"] = fields["observation/front"].to(torch::kFloat32) / 255.0;
  EXPECT_TRUE(torch::allclose(reals->Forward(fields, {}, {}).value, expected.value, 1e-5, 1e-6));
}

TEST(Cnn, InitialKernelsAreOrthogonal) {
  const auto policy = *MakePolicy(Spec(), 1);
  const auto kernel = TensorsOf(*policy).at("trunk.image.front.1.weight").flatten(1);  // [16, 80]
  EXPECT_TRUE(torch::allclose(kernel.mm(kernel.t()), 2.0 * torch::eye(16), 1e-4, 1e-5));
}

TEST(Cnn, TrainingReachesEveryParameter) {
  torch::manual_seed(6);
  ModelSpec spec = Spec();
  spec.lstm_size = 8;
  spec.shared_trunk = false;
  ExpectTrainingReachesEveryParameter(spec);
}

}  // namespace
}  // namespace millrace
