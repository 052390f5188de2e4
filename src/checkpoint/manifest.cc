#include "checkpoint/manifest.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/crc32c.h"

namespace millrace {
namespace {

using nlohmann::json;

constexpr int kFormat = 1;

std::string HexCrc(const std::string& text) {
  return absl::StrFormat("%08x", Crc32c(std::as_bytes(std::span(text))));
}

// A plain name in the checkpoint's own folder.
bool IsFileName(const std::string& name) {
  return !name.empty() && name.size() <= 64 && name.front() != '.' && name != kManifestName &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
         });
}

absl::StatusOr<Manifest> FromJson(const json& document) {
  Manifest manifest;
  if (document.at("format").get<int>() != kFormat) {
    return absl::DataLossError(
        absl::StrCat("manifest: expected format ", kFormat, ", got ", document["format"].dump()));
  }
  manifest.train_steps = document.at("train_steps").get<uint64_t>();
  for (const auto& [name, summary] : document.at("files").items()) {
    if (!IsFileName(name)) {
      return absl::DataLossError(absl::StrCat("manifest: \"", name, "\" is not a plain file name"));
    }
    manifest.files[name] = {summary.at("bytes").get<uint64_t>(),
                            summary.at("crc32c").get<std::string>()};
  }
  manifest.state_json = document.at("state").dump();
  return manifest;
}

}  // namespace

FileSummary Summarize(const std::string& contents) { return {contents.size(), HexCrc(contents)}; }

absl::StatusOr<std::string> EncodeManifest(const Manifest& manifest) {
  json document = {{"format", kFormat}, {"train_steps", manifest.train_steps}};
  document["files"] = json::object();
  for (const auto& [name, summary] : manifest.files) {
    if (!IsFileName(name)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "checkpoint file name: expected 1 to 64 characters of [A-Za-z0-9._-], got \"", name,
          "\""));
    }
    document["files"][name] = {{"bytes", summary.bytes}, {"crc32c", summary.crc32c}};
  }
  document["state"] = json::parse(manifest.state_json, nullptr, false);
  if (!document["state"].is_object()) {
    return absl::InvalidArgumentError("checkpoint manifest: expected a JSON object for its state");
  }
  document["crc32c"] = HexCrc(document.dump());
  return document.dump(2) + "\n";
}

absl::StatusOr<Manifest> DecodeManifest(const std::string& text) {
  json document = json::parse(text, nullptr, false);
  if (!document.is_object() || !document.contains("crc32c")) {
    return absl::DataLossError("manifest: expected a JSON object with a checksum");
  }
  const json crc = document["crc32c"];
  document.erase("crc32c");
  if (crc != HexCrc(document.dump())) {
    return absl::DataLossError("manifest: its checksum does not hold");
  }
  try {
    return FromJson(document);
  } catch (const json::exception& error) {
    return absl::DataLossError(absl::StrCat("manifest: ", error.what()));
  }
}

}  // namespace millrace
