#include "streams/factory.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "millrace/core/check.h"
#include "streams/grpc/weight_factory.h"
#include "streams/inproc/factory.h"
#include "streams/inproc/weight_factory.h"
#include "streams/shm/factory.h"
#include "streams/shm/weight_factory.h"
#include "streams/zmq/factory.h"

namespace millrace {
namespace {

absl::Status NoSuchPair(std::string_view stream, std::string_view expected, Transport transport) {
  return absl::InvalidArgumentError(absl::StrCat("transport of ", std::string(stream),
                                                 " streams: expected ", std::string(expected),
                                                 ", got ", std::string(Name(transport))));
}

absl::Status NoMessages(std::string_view stream, Transport transport) {
  return NoSuchPair(stream, "inproc, shm or zmq", transport);
}

absl::Status NoWeights(Transport transport) {
  return NoSuchPair("weight", "inproc, shm or grpc", transport);
}

}  // namespace

std::string_view Name(Transport transport) {
  switch (transport) {
    case Transport::kInproc:
      return "inproc";
    case Transport::kShm:
      return "shm";
    case Transport::kZmq:
      return "zmq";
    case Transport::kGrpc:
      return "grpc";
  }
  MILLRACE_CHECK(false, "unknown transport");
}

absl::StatusOr<std::unique_ptr<SampleProducer>> MakeSampleProducer(Transport transport,
                                                                   const StreamContext& context,
                                                                   const SampleStreamSpec& spec,
                                                                   int slots) {
  switch (transport) {
    case Transport::kInproc:
      return MakeInprocSampleProducer(context, spec, slots);
    case Transport::kShm:
      return MakeShmSampleProducer(context, spec, slots);
    case Transport::kZmq:
      return MakeZmqSampleProducer(context, spec, slots);
    case Transport::kGrpc:
      break;
  }
  return NoMessages("sample", transport);
}

absl::StatusOr<std::unique_ptr<SampleConsumer>> MakeSampleConsumer(Transport transport,
                                                                   const StreamContext& context,
                                                                   const SampleStreamSpec& spec) {
  switch (transport) {
    case Transport::kInproc:
      return MakeInprocSampleConsumer(context, spec);
    case Transport::kShm:
      return MakeShmSampleConsumer(context, spec);
    case Transport::kZmq:
      return MakeZmqSampleConsumer(context, spec);
    case Transport::kGrpc:
      break;
  }
  return NoMessages("sample", transport);
}

absl::StatusOr<std::unique_ptr<InferenceClient>> MakeInferenceClient(
    Transport transport, const StreamContext& context, const InferenceSpec& spec,
    const InferenceClientOptions& options) {
  switch (transport) {
    case Transport::kInproc:
      return MakeInprocInferenceClient(context, spec, options);
    case Transport::kShm:
      return MakeShmInferenceClient(context, spec, options);
    case Transport::kZmq:
      return MakeZmqInferenceClient(context, spec, options);
    case Transport::kGrpc:
      break;
  }
  return NoMessages("inference", transport);
}

absl::StatusOr<std::unique_ptr<InferenceServer>> MakeInferenceServer(Transport transport,
                                                                     const StreamContext& context,
                                                                     const InferenceSpec& spec) {
  switch (transport) {
    case Transport::kInproc:
      return MakeInprocInferenceServer(context, spec);
    case Transport::kShm:
      return MakeShmInferenceServer(context, spec);
    case Transport::kZmq:
      return MakeZmqInferenceServer(context, spec);
    case Transport::kGrpc:
      break;
  }
  return NoMessages("inference", transport);
}

absl::StatusOr<std::unique_ptr<WeightPublisher>> MakeWeightPublisher(Transport transport,
                                                                     const StreamContext& context,
                                                                     const WeightSpec& spec) {
  switch (transport) {
    case Transport::kInproc:
      return MakeInprocWeightPublisher(context, spec);
    case Transport::kShm:
      return MakeShmWeightPublisher(context, spec);
    case Transport::kGrpc:
      return MakeGrpcWeightPublisher(context, spec);
    case Transport::kZmq:
      break;
  }
  return NoWeights(transport);
}

absl::StatusOr<std::unique_ptr<WeightServer>> MakeWeightServer(
    Transport transport, const StreamContext& context, const std::vector<WeightSpec>& specs) {
  switch (transport) {
    case Transport::kInproc:
      return MakeInprocWeightServer(context, specs);
    case Transport::kShm:
      return MakeShmWeightServer(context, specs);
    case Transport::kGrpc:
      return MakeGrpcWeightServer(context, specs);
    case Transport::kZmq:
      break;
  }
  return NoWeights(transport);
}

absl::StatusOr<std::unique_ptr<WeightReader>> MakeWeightReader(Transport transport,
                                                               const StreamContext& context,
                                                               const WeightSpec& spec) {
  switch (transport) {
    case Transport::kInproc:
      return MakeInprocWeightReader(context, spec);
    case Transport::kShm:
      return MakeShmWeightReader(context, spec);
    case Transport::kGrpc:
      return MakeGrpcWeightReader(context, spec);
    case Transport::kZmq:
      break;
  }
  return NoWeights(transport);
}

}  // namespace millrace
