#include "net/endpoint_directory.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/numbers.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

std::optional<NamedEndpoint> ParseEntry(const NameEntry& entry) {
  NamedEndpoint parsed;
  const size_t slash = entry.key.rfind('/');
  if (slash == std::string::npos ||
      !absl::SimpleAtoi(entry.key.substr(slash + 1), &parsed.number)) {
    return std::nullopt;
  }
  const auto value = nlohmann::json::parse(entry.value, nullptr, /*allow_exceptions=*/false);
  if (!value.is_object()) return std::nullopt;
  const auto incarnation = value.find("incarnation");
  const auto endpoint = value.find("endpoint");
  if (incarnation == value.end() || !incarnation->is_number_unsigned() || endpoint == value.end() ||
      !endpoint->is_string()) {
    return std::nullopt;
  }
  const auto number = incarnation->get<uint64_t>();
  if (number > std::numeric_limits<uint32_t>::max()) return std::nullopt;
  parsed.incarnation = static_cast<uint32_t>(number);
  parsed.endpoint = endpoint->get<std::string>();
  return parsed;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EndpointAnnouncement>> EndpointAnnouncement::Create(
    NameService* names, std::string key, uint32_t incarnation, std::string_view endpoint) {
  // Watched, so that the destructor can see who owns the entry then.
  MILLRACE_RETURN_IF_ERROR(names->Watch(key, nullptr));
  std::string value = nlohmann::json{{"incarnation", incarnation}, {"endpoint", endpoint}}.dump();
  MILLRACE_RETURN_IF_ERROR(names->Put(key, value));
  return std::unique_ptr<EndpointAnnouncement>(
      new EndpointAnnouncement(names, std::move(key), std::move(value)));
}

EndpointAnnouncement::~EndpointAnnouncement() {
  for (const NameEntry& entry : names_->List(key_)) {
    if (entry.key == key_ && entry.value == value_) names_->Delete(key_).IgnoreError();
  }
}

std::vector<NamedEndpoint> ListEndpoints(const NameService& names, std::string_view prefix) {
  std::vector<NamedEndpoint> found;
  for (const NameEntry& entry : names.List(prefix)) {
    if (auto parsed = ParseEntry(entry)) found.push_back(*std::move(parsed));
  }
  std::sort(found.begin(), found.end(),
            [](const NamedEndpoint& a, const NamedEndpoint& b) { return a.number < b.number; });
  return found;
}

}  // namespace millrace
