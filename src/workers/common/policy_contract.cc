#include "workers/common/policy_contract.h"

#include <spdlog/fmt/fmt.h>

#include <nlohmann/json.hpp>

#include "millrace/core/status.h"

namespace millrace {
namespace {

using nlohmann::json;

json ToJson(const Field& field) {
  return {{"name", field.name},
          {"dtype", static_cast<int>(field.dtype)},
          {"shape", field.shape},
          {"extent", static_cast<int>(field.extent)}};
}

absl::StatusOr<Field> FieldFromJson(const json& value) {
  const auto dtype = DTypeFromNumber(value.at("dtype").get<uint8_t>());
  const int extent = value.at("extent").get<int>();
  if (!dtype.has_value() || extent < static_cast<int>(Extent::kSteps) ||
      extent > static_cast<int>(Extent::kTime)) {
    return absl::DataLossError("policy contract: a field has an unknown dtype or extent");
  }
  return Field{value.at("name").get<std::string>(), *dtype,
               value.at("shape").get<std::vector<int64_t>>(), static_cast<Extent>(extent)};
}

}  // namespace

std::string ContractKey(const std::string& policy) {
  return fmt::format("policy/{}/contract", policy);
}

std::string PolicyContract::ToJson() const {
  json fields = json::array();
  for (const Field& field : sample.fields()) fields.push_back(millrace::ToJson(field));
  return json{{"fields", fields},
              {"unroll", unroll},
              {"chunk", chunk},
              {"state_size", state_size},
              {"weight_bytes", weight_bytes},
              {"layout_hash", layout_hash}}
      .dump();
}

absl::StatusOr<PolicyContract> PolicyContract::FromJson(const std::string& text) {
  try {
    const json value = json::parse(text);
    std::vector<Field> fields;
    for (const json& field : value.at("fields")) {
      MILLRACE_ASSIGN_OR_RETURN(fields.emplace_back(), FieldFromJson(field));
    }
    PolicyContract contract;
    MILLRACE_ASSIGN_OR_RETURN(contract.sample, Schema::Create(std::move(fields)));
    contract.unroll = value.at("unroll").get<int32_t>();
    contract.chunk = value.at("chunk").get<int32_t>();
    contract.state_size = value.at("state_size").get<int64_t>();
    contract.weight_bytes = value.at("weight_bytes").get<uint64_t>();
    contract.layout_hash = value.at("layout_hash").get<uint64_t>();
    return contract;
  } catch (const json::exception& error) {
    return absl::DataLossError(fmt::format("policy contract: {}", error.what()));
  }
}

}  // namespace millrace
