#include "streams/shm/factory.h"

#include <utility>

#include "millrace/core/status.h"
#include "streams/shm/file_slab_store.h"
#include "streams/shm/slab_inference_client.h"
#include "streams/shm/slab_inference_server.h"
#include "streams/shm/slab_sample_consumer.h"
#include "streams/shm/slab_sample_producer.h"

namespace millrace {

absl::StatusOr<std::unique_ptr<SampleProducer>> MakeShmSampleProducer(const StreamContext& context,
                                                                      const SampleStreamSpec& spec,
                                                                      int slots) {
  MILLRACE_ASSIGN_OR_RETURN(auto store, MakeFileSlabStore(context));
  return SlabSampleProducer::Create(context, spec, slots, std::move(store));
}

absl::StatusOr<std::unique_ptr<SampleConsumer>> MakeShmSampleConsumer(
    const StreamContext& context, const SampleStreamSpec& spec) {
  MILLRACE_ASSIGN_OR_RETURN(auto store, MakeFileSlabStore(context));
  return SlabSampleConsumer::Create(context, spec, std::move(store));
}

absl::StatusOr<std::unique_ptr<InferenceClient>> MakeShmInferenceClient(
    const StreamContext& context, const InferenceSpec& spec,
    const InferenceClientOptions& options) {
  MILLRACE_ASSIGN_OR_RETURN(auto store, MakeFileSlabStore(context));
  return SlabInferenceClient::Create(context, spec, options, std::move(store));
}

absl::StatusOr<std::unique_ptr<InferenceServer>> MakeShmInferenceServer(
    const StreamContext& context, const InferenceSpec& spec) {
  MILLRACE_ASSIGN_OR_RETURN(auto store, MakeFileSlabStore(context));
  return SlabInferenceServer::Create(context, spec, std::move(store));
}

}  // namespace millrace
