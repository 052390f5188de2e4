// Entries of the name service that say where a worker listens: {"incarnation", "endpoint"}.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/name_service.h"

namespace millrace {

struct NamedEndpoint {
  uint32_t number = 0;  // index or rank: the last part of the key
  uint32_t incarnation = 0;
  std::string endpoint;
  bool operator==(const NamedEndpoint&) const = default;
};

// Keeps an entry published as long as it lives.
class EndpointAnnouncement {
 public:
  static absl::StatusOr<std::unique_ptr<EndpointAnnouncement>> Create(NameService* names,
                                                                      std::string key,
                                                                      uint32_t incarnation,
                                                                      std::string_view endpoint);
  // Deletes the entry, unless a successor has put its own there.
  ~EndpointAnnouncement();

 private:
  EndpointAnnouncement(NameService* names, std::string key, std::string value)
      : names_(names), key_(std::move(key)), value_(std::move(value)) {}
  NameService* const names_;
  const std::string key_;
  const std::string value_;
};

// The well-formed entries below `prefix`, ordered by number. Malformed ones are left out.
std::vector<NamedEndpoint> ListEndpoints(const NameService& names, std::string_view prefix);

}  // namespace millrace
