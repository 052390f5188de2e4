// Makes the ends of streams for a transport. `auto` is shared memory inside a host.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/doorbell.h"
#include "data/ledger.h"
#include "net/name_service.h"
#include "streams/inference_stream.h"
#include "streams/sample_stream.h"
#include "streams/weight_stream.h"

namespace millrace {

enum class Transport { kInproc, kShm, kZmq, kGrpc };
std::string_view Name(Transport transport);

// What every stream end needs to know about the worker that owns it.
struct StreamContext {
  NameService* names = nullptr;         // outlives the stream end
  Doorbell* bell = nullptr;             // the owner's doorbell; outlives the stream end
  std::filesystem::path bell_path;      // the file it lives in (shm); peers ring it there
  std::filesystem::path shm_directory;  // of this run, for slabs
  std::string bind_host = "127.0.0.1";  // sockets bind here, port 0
  uint32_t index = 0;                   // of the worker within its role (trainers: the rank)
  uint32_t incarnation = 0;
  Ledger* ledger = nullptr;  // producers: commit words; may be null elsewhere
};

absl::StatusOr<std::unique_ptr<SampleProducer>> MakeSampleProducer(Transport transport,
                                                                   const StreamContext& context,
                                                                   const SampleStreamSpec& spec,
                                                                   int slots);
absl::StatusOr<std::unique_ptr<SampleConsumer>> MakeSampleConsumer(Transport transport,
                                                                   const StreamContext& context,
                                                                   const SampleStreamSpec& spec);

struct InferenceClientOptions {
  int groups = 1;
  Clock::duration request_deadline = std::chrono::seconds(2);  // then the request is posted again
  Clock::duration patience = std::chrono::seconds(60);         // without any server
};
absl::StatusOr<std::unique_ptr<InferenceClient>> MakeInferenceClient(
    Transport transport, const StreamContext& context, const InferenceSpec& spec,
    const InferenceClientOptions& options);
absl::StatusOr<std::unique_ptr<InferenceServer>> MakeInferenceServer(Transport transport,
                                                                     const StreamContext& context,
                                                                     const InferenceSpec& spec);

absl::StatusOr<std::unique_ptr<WeightPublisher>> MakeWeightPublisher(Transport transport,
                                                                     const StreamContext& context,
                                                                     const WeightSpec& spec);
absl::StatusOr<std::unique_ptr<WeightServer>> MakeWeightServer(
    Transport transport, const StreamContext& context, const std::vector<WeightSpec>& specs);
absl::StatusOr<std::unique_ptr<WeightReader>> MakeWeightReader(Transport transport,
                                                               const StreamContext& context,
                                                               const WeightSpec& spec);

}  // namespace millrace
