#include "store/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>

#include <array>
#include <cerrno>
#include <cstring>

#include "core/fs.h"

namespace av::store {
namespace {

constexpr int kBusyTimeoutMs = 10'000;
constexpr std::string_view kMagic{"SQLite format 3\0", 16};

Error not_a_store(const std::filesystem::path& path, std::string_view why) {
  return make_error(
      ErrorCode::kCorrupt, path.string() + " " + std::string(why),
      "it was left as it is; restore it from a backup, or move it away to begin anew");
}

// SQLite takes an empty file for a new database and would fill it; for us it is a lost one.
Status check_file(const std::filesystem::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid()) {
    return errno_error(errno, "cannot open " + path.string());
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) {
    return errno_error(errno, "cannot read " + path.string());
  }
  if (!S_ISREG(info.st_mode)) {
    return not_a_store(path, "is not a file");
  }
  std::array<char, kMagic.size()> head{};
  const ssize_t got = ::pread(fd.get(), head.data(), head.size(), 0);
  if (got < 0) {
    return errno_error(errno, "cannot read " + path.string());
  }
  if (got == 0) {
    return not_a_store(path, "is empty");
  }
  if (std::string_view(head.data(), static_cast<std::size_t>(got)) != kMagic) {
    return not_a_store(path, "is not a database");
  }
  if ((info.st_mode & 077U) != 0 && ::fchmod(fd.get(), 0600) != 0) {
    return errno_error(errno, "cannot make " + path.string() + " private",
                       "chmod 600 " + path.string());
  }
  return {};
}

}  // namespace

Error sqlite_error(std::string_view what, int extended_code, std::string_view detail, int os_error,
                   const std::filesystem::path& path) {
  const std::string place = path.string();
  const std::string prefix = std::string(what) + ": ";
  if (os_error == ENOSPC || os_error == EDQUOT) {
    extended_code = SQLITE_FULL;
  }
  switch (extended_code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
      return make_error(ErrorCode::kCorrupt, prefix + place + " is damaged or not a database",
                        "it was left as it is; restore it from a backup, or move it away to begin "
                        "anew");
    case SQLITE_FULL:
      return make_error(ErrorCode::kNoSpace, prefix + "the disk is full",
                        "free some disk space and try again; nothing was changed");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return make_error(ErrorCode::kBusy, prefix + "another process keeps the store locked",
                        "try again; if it persists, see who uses it: fuser -v " + place);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return make_error(ErrorCode::kNotPermitted, prefix + place + " is not writable",
                        "check the owner and mode of the file and of its directory, and that the "
                        "file system is not mounted read-only");
    case SQLITE_CANTOPEN:
      if (os_error == EACCES || os_error == EPERM || os_error == EROFS) {
        return make_error(ErrorCode::kNotPermitted, prefix + "no permission to open " + place,
                          "check the owner and mode of the file and of its directory");
      }
      return make_error(ErrorCode::kIo, prefix + "cannot open " + place,
                        "check that the directory exists and is writable");
    case SQLITE_IOERR:
      return make_error(ErrorCode::kIo,
                        prefix + "input/output error on " + place +
                            (os_error != 0 ? std::string(": ") + std::strerror(os_error) : ""),
                        "check the disk; the last saved state is kept");
    case SQLITE_NOMEM:
      return make_error(ErrorCode::kIo, prefix + "out of memory");
    case SQLITE_CONSTRAINT:
      return make_error(ErrorCode::kConflict, prefix + std::string(detail));
    default:
      return make_error(ErrorCode::kInternal, prefix + std::string(detail));
  }
}

Error Database::translate(std::string_view what, const SQLite::Exception& e) const {
  const int os_error = db_ == nullptr ? 0 : sqlite3_system_errno(db_->getHandle());
  return sqlite_error(what, e.getExtendedErrorCode(), e.what(), os_error, path_);
}

Expected<Database> Database::open(const std::filesystem::path& path) {
  AV_CHECK(check_file(path));
  return connect(path, false);
}

Expected<Database> Database::create(const std::filesystem::path& path) {
  {
    // SQLite gives -wal and -shm the mode of the database, so it must be private before it is
    // opened; and this descriptor must be closed by then (see join()).
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.valid()) {
      if (errno == EEXIST) {
        return make_error(ErrorCode::kExists, path.string() + " exists");
      }
      return errno_error(errno, "cannot create " + path.string(),
                         errno == EACCES || errno == EROFS
                             ? "make the directory writable, or set AGENT_VAULT_HOME to one that is"
                             : "");
    }
    if (::fchmod(fd.get(), 0600) != 0) {
      return errno_error(errno, "cannot make " + path.string() + " private");
    }
  }
  return connect(path, true);
}

Expected<Database> Database::connect(const std::filesystem::path& path, bool fresh) {
  Database database(path, nullptr);
  try {
    database.db_ =
        std::make_unique<SQLite::Database>(path.string(), SQLite::OPEN_READWRITE, kBusyTimeoutMs);
    SQLite::Database& db = *database.db_;
    sqlite3_extended_result_codes(db.getHandle(), 1);
    // Foreign key actions and triggers of a doctored file must not run code.
    sqlite3_db_config(db.getHandle(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(db.getHandle(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    db.exec("PRAGMA foreign_keys = ON");
    db.exec("PRAGMA secure_delete = ON");
    db.exec("PRAGMA synchronous = FULL");
    db.exec("PRAGMA temp_store = MEMORY");
    if (fresh || db.execAndGet("PRAGMA journal_mode").getString() != "wal") {
      db.execAndGet("PRAGMA journal_mode = WAL");
    }
  } catch (const SQLite::Exception& e) {
    return unexpected(database.translate("cannot open the store", e));
  }
  return database;
}

void Database::truncate_log() noexcept {
  db_->tryExec("PRAGMA wal_checkpoint(TRUNCATE)");
}

void put(SQLite::Statement& statement, int index, const crypto::Bytes& blob) {
  // A null pointer would bind NULL.
  static constexpr std::uint8_t kNothing = 0;
  statement.bind(index, blob.empty() ? &kNothing : blob.data(), static_cast<int>(blob.size()));
}

crypto::Bytes blob(const SQLite::Column& column) {
  const auto* data = static_cast<const std::uint8_t*>(column.getBlob());
  return {data, data + column.getBytes()};
}

crypto::Digest digest_of(const SQLite::Column& column) {
  crypto::Digest out{};
  const crypto::Bytes bytes = blob(column);
  std::copy_n(bytes.begin(), std::min(bytes.size(), out.size()), out.begin());
  return out;
}

bool is_hash(const SQLite::Column& column, const crypto::Digest& hash) {
  const crypto::Bytes found = blob(column);
  return crypto::constant_time_equal({reinterpret_cast<const char*>(found.data()), found.size()},
                                     {reinterpret_cast<const char*>(hash.data()), hash.size()});
}

}  // namespace av::store
