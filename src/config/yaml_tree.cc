#include "config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

// Builds the tree from parser events. After the first problem it ignores the rest.
class TreeBuilder : public YAML::EventHandler {
 public:
  // Without a file name every place is `name` itself.
  TreeBuilder(std::string name, bool is_file) : name_(std::move(name)), is_file_(is_file) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) Fail(mark, "one YAML document", "another one");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Check(mark, anchor, "?");
    Add(mark, {.where = Place(mark)});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Fail(mark, "a value", "an alias (*name), which is not allowed");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const bool quoted = tag == "!";
    Check(mark, anchor, quoted ? "?" : tag);
    Add(mark,
        {.kind = YamlNode::Kind::kScalar, .text = value, .quoted = quoted, .where = Place(mark)});
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlNode::Kind::kList);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlNode::Kind::kMap);
  }
  void OnMapEnd() override { Close(); }

  std::string Place(const YAML::Mark& mark) const {
    return is_file_ ? absl::StrCat(name_, ":", mark.line + 1) : name_;
  }
  absl::StatusOr<YamlNode> Take() && {
    if (!status_.ok()) return status_;
    return std::move(root_);
  }

 private:
  struct Frame {
    YamlNode node;
    std::optional<YamlNode> key;  // a map's key that waits for its value
  };

  void Fail(const YAML::Mark& mark, const std::string& expected, const std::string& got) {
    if (!status_.ok()) return;
    status_ = absl::InvalidArgumentError(
        absl::StrCat(Place(mark), ": expected ", expected, ", got ", got));
  }

  void Check(const YAML::Mark& mark, YAML::anchor_t anchor, const std::string& tag) {
    if (anchor != 0) Fail(mark, "a value", "an anchor (&name), which is not allowed");
    if (!tag.empty() && tag != "?") Fail(mark, "a value", "a tag (!type), which is not allowed");
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YamlNode::Kind kind) {
    Check(mark, anchor, tag);
    ++depth_;
    if (depth_ > kMaxYamlDepth) {
      Fail(mark, absl::StrCat("at most ", kMaxYamlDepth, " levels of nesting"), "more");
    }
    if (!status_.ok()) return;
    if (IsKeyNext()) return Fail(mark, "a key", "a map or a list");
    stack_.push_back({.node = {.kind = kind, .where = Place(mark)}, .key = std::nullopt});
  }

  void Close() {
    --depth_;
    if (!status_.ok()) return;
    YamlNode node = std::move(stack_.back().node);
    stack_.pop_back();
    Attach(std::move(node));
  }

  bool IsKeyNext() const {
    return !stack_.empty() && stack_.back().node.kind == YamlNode::Kind::kMap &&
           !stack_.back().key.has_value();
  }

  void Add(const YAML::Mark& mark, YamlNode node) {
    if (!status_.ok()) return;
    if (!IsKeyNext()) return Attach(std::move(node));
    Frame& frame = stack_.back();
    if (node.kind != YamlNode::Kind::kScalar || node.text.empty()) {
      return Fail(mark, "a key", "nothing");
    }
    if (frame.node.Find(node.text) != nullptr) {
      return Fail(mark, "every key once", absl::StrCat("\"", node.text, "\" again"));
    }
    frame.key = std::move(node);
  }

  void Attach(YamlNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = stack_.back();
    if (frame.node.kind == YamlNode::Kind::kMap) {
      node.key = std::move(frame.key->text);
      node.where = std::move(frame.key->where);  // the key's line, which is what people look for
      frame.key.reset();
    }
    frame.node.items.push_back(std::move(node));
  }

  const std::string name_;
  const bool is_file_;
  absl::Status status_;
  YamlNode root_;
  std::vector<Frame> stack_;
  size_t depth_ = 0;
  int documents_ = 0;
};

absl::StatusOr<YamlNode> Parse(const std::string& text, const std::string& name, bool is_file) {
  if (text.size() > kMaxYamlBytes) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": expected at most ", kMaxYamlBytes,
                                                   " bytes of YAML, got ", text.size()));
  }
  TreeBuilder builder(name, is_file);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(
        builder.Place(error.mark), ": expected YAML, got a syntax error: ", error.msg));
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": cannot read YAML: ", error.what()));
  }
  return std::move(builder).Take();
}

}  // namespace

const YamlNode* YamlNode::Find(std::string_view wanted) const {
  if (kind != Kind::kMap) return nullptr;
  const auto found = std::ranges::find(items, wanted, &YamlNode::key);
  return found == items.end() ? nullptr : &*found;
}

YamlNode* YamlNode::Find(std::string_view wanted) {
  return const_cast<YamlNode*>(std::as_const(*this).Find(wanted));
}

std::string Describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kScalar:
      return absl::StrCat("\"", node.text, "\"");
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map";
  }
  return "";
}

absl::StatusOr<YamlNode> ParseYamlFile(const std::string& text, const std::string& file_name) {
  return Parse(text, file_name, true);
}

absl::StatusOr<YamlNode> ParseYamlValue(const std::string& text, const std::string& where) {
  return Parse(text, where, false);
}

absl::Status ApplyOverride(YamlNode& root, const std::string& key, const std::string& value) {
  const std::string where = absl::StrCat("--set ", key);
  MILLRACE_ASSIGN_OR_RETURN(YamlNode parsed, ParseYamlValue(value, where));
  YamlNode* node = &root;
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(key, '.'))) {
    if (part.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": expected a dotted key such as algorithm.clip, got \"", key, "\""));
    }
    if (node->kind == YamlNode::Kind::kNull) node->kind = YamlNode::Kind::kMap;
    if (node->kind != YamlNode::Kind::kMap) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": expected a map above \"", part, "\", got ", Describe(*node)));
    }
    if (node->Find(part) == nullptr) {
      node->items.push_back({.key = part, .where = where});
    }
    node = node->Find(part);
  }
  parsed.key = node->key;
  parsed.where = where;
  *node = std::move(parsed);
  return absl::OkStatus();
}

}  // namespace millrace
