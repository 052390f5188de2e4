#include "streams/shm/file_slab_store.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "core/mapped_file.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

class FilePeerBell final : public PeerBell {
 public:
  explicit FilePeerBell(std::unique_ptr<MappedFile> file) : file_(std::move(file)) {}
  void Ring() override { file_->At<Doorbell>(0)->Ring(); }

 private:
  std::unique_ptr<MappedFile> file_;
};

SlabMemory ToSlab(std::unique_ptr<MappedFile> file) {
  const std::span<std::byte> bytes(file->data(), file->size());
  return {std::shared_ptr<void>(std::shared_ptr<MappedFile>(std::move(file))), bytes};
}

class FileSlabStore final : public SlabStore {
 public:
  FileSlabStore(std::filesystem::path directory, std::filesystem::path bell)
      : directory_(std::move(directory)), bell_(std::move(bell)) {}

  absl::StatusOr<SlabMemory> Create(const std::string& name, size_t bytes) override {
    MILLRACE_ASSIGN_OR_RETURN(auto file, MappedFile::Create(directory_ / name, bytes));
    return ToSlab(std::move(file));
  }

  std::string Address(const std::string& name) const override { return directory_ / name; }

  absl::StatusOr<SlabMemory> Open(const std::string& address, size_t minimum_bytes) override {
    MILLRACE_ASSIGN_OR_RETURN(auto file, MappedFile::Open(address, minimum_bytes));
    return ToSlab(std::move(file));
  }

  void Remove(const std::string& address) override {
    std::error_code ignored;  // somebody else may have removed it already
    std::filesystem::remove(address, ignored);
  }

  std::string bell_address() const override { return bell_; }

  absl::StatusOr<std::unique_ptr<PeerBell>> OpenBell(const std::string& address) override {
    MILLRACE_ASSIGN_OR_RETURN(auto file, MappedFile::Open(address, sizeof(Doorbell)));
    return std::make_unique<FilePeerBell>(std::move(file));
  }

 private:
  const std::filesystem::path directory_;
  const std::filesystem::path bell_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SlabStore>> MakeFileSlabStore(const StreamContext& context) {
  if (context.shm_directory.empty() || context.bell_path.empty()) {
    return absl::InvalidArgumentError(
        "the shm transport needs a directory for slabs and a doorbell file: one is not set");
  }
  return std::make_unique<FileSlabStore>(context.shm_directory, context.bell_path);
}

}  // namespace millrace
