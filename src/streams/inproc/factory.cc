#include "streams/inproc/factory.h"

#include "streams/inproc/heap_slab_store.h"
#include "streams/shm/slab_inference_client.h"
#include "streams/shm/slab_inference_server.h"
#include "streams/shm/slab_sample_consumer.h"
#include "streams/shm/slab_sample_producer.h"

namespace millrace {

absl::StatusOr<std::unique_ptr<SampleProducer>> MakeInprocSampleProducer(
    const StreamContext& context, const SampleStreamSpec& spec, int slots) {
  return SlabSampleProducer::Create(context, spec, slots, MakeHeapSlabStore(context));
}

absl::StatusOr<std::unique_ptr<SampleConsumer>> MakeInprocSampleConsumer(
    const StreamContext& context, const SampleStreamSpec& spec) {
  return SlabSampleConsumer::Create(context, spec, MakeHeapSlabStore(context));
}

absl::StatusOr<std::unique_ptr<InferenceClient>> MakeInprocInferenceClient(
    const StreamContext& context, const InferenceSpec& spec,
    const InferenceClientOptions& options) {
  return SlabInferenceClient::Create(context, spec, options, MakeHeapSlabStore(context));
}

absl::StatusOr<std::unique_ptr<InferenceServer>> MakeInprocInferenceServer(
    const StreamContext& context, const InferenceSpec& spec) {
  return SlabInferenceServer::Create(context, spec, MakeHeapSlabStore(context));
}

}  // namespace millrace
