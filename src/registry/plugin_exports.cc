#include "registry/plugin_exports.h"

#include <elf.h>

#include <cstring>
#include <fstream>
#include <vector>

#include "millrace/core/status.h"

namespace millrace {
namespace {

// Parts of a file as trivial values; a read past the end fails.
class ElfFile {
 public:
  explicit ElfFile(const std::string& path) : file_(path, std::ios::binary) {
    file_.seekg(0, std::ios::end);
    size_ = static_cast<uint64_t>(file_.tellg());
  }

  template <typename T>
  bool Read(uint64_t offset, uint64_t count, std::vector<T>& out) {
    const uint64_t room = offset <= size_ ? size_ - offset : 0;
    if (count > room / sizeof(T)) return false;
    out.resize(count);
    file_.seekg(static_cast<std::streamoff>(offset));
    file_.read(reinterpret_cast<char*>(out.data()),
               static_cast<std::streamsize>(count * sizeof(T)));
    return file_.good();
  }
  template <typename T>
  bool Read(uint64_t offset, T& out) {
    std::vector<T> one;
    if (!Read(offset, 1, one)) return false;
    out = one.front();
    return true;
  }

 private:
  std::ifstream file_;
  uint64_t size_ = 0;
};

struct DynamicSymbols {
  std::vector<Elf64_Sym> symbols;
  std::vector<char> names;  // ends with a zero

  std::string_view NameOf(const Elf64_Sym& symbol) const {
    return symbol.st_name < names.size() ? std::string_view(&names[symbol.st_name])
                                         : std::string_view();
  }
};

bool ReadHeader(ElfFile& file, Elf64_Ehdr& header) {
  return file.Read(0, header) && std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
         header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_ident[EI_DATA] == ELFDATA2LSB &&
         header.e_type == ET_DYN;
}

bool ReadSymbols(ElfFile& file, const Elf64_Ehdr& header, DynamicSymbols& out) {
  std::vector<Elf64_Shdr> sections;
  if (!file.Read(header.e_shoff, header.e_shnum, sections)) return false;
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type != SHT_DYNSYM || section.sh_link >= sections.size()) continue;
    const Elf64_Shdr& names = sections[section.sh_link];
    if (!file.Read(section.sh_offset, section.sh_size / sizeof(Elf64_Sym), out.symbols) ||
        !file.Read(names.sh_offset, names.sh_size, out.names)) {
      return false;
    }
    out.names.push_back('\0');
    return true;
  }
  return true;
}

// The bytes that the loader would put at the symbol's address.
std::optional<millrace_abi_record> ReadRecord(ElfFile& file, const Elf64_Ehdr& header,
                                              const Elf64_Sym& symbol) {
  std::vector<Elf64_Phdr> segments;
  if (!file.Read(header.e_phoff, header.e_phnum, segments)) return std::nullopt;
  for (const Elf64_Phdr& segment : segments) {
    const bool inside = segment.p_type == PT_LOAD && symbol.st_value >= segment.p_vaddr &&
                        symbol.st_value - segment.p_vaddr < segment.p_filesz;
    if (!inside || symbol.st_size < sizeof(millrace_abi_record)) continue;
    millrace_abi_record record;
    if (!file.Read(segment.p_offset + (symbol.st_value - segment.p_vaddr), record)) break;
    record.millrace[sizeof(record.millrace) - 1] = '\0';
    record.compiler[sizeof(record.compiler) - 1] = '\0';
    record.torch[sizeof(record.torch) - 1] = '\0';
    return record;
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<PluginExports> ReadPluginExports(const std::string& path) {
  if (!std::ifstream(path).good()) {
    return absl::InvalidArgumentError("expected a readable file, found none");
  }
  ElfFile file(path);
  Elf64_Ehdr header;
  DynamicSymbols dynamic;
  if (!ReadHeader(file, header) || !ReadSymbols(file, header, dynamic)) {
    return absl::InvalidArgumentError("expected a 64-bit ELF shared library, got something else");
  }
  PluginExports exports;
  for (const Elf64_Sym& symbol : dynamic.symbols) {
    if (symbol.st_shndx == SHN_UNDEF) continue;
    const std::string_view name = dynamic.NameOf(symbol);
    if (name == "millrace_abi") exports.abi = ReadRecord(file, header, symbol);
    if (name == "MillraceRegister") exports.registers = true;
    if (name == "MillraceRegisterTorch") exports.registers_torch = true;
  }
  return exports;
}

}  // namespace millrace
