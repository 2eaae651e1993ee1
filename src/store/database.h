#pragma once
// Database: the connection to the SQLite file, its pragmas, and the one place where what SQLite
// throws becomes an Error. One object belongs to one thread.

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Exception.h>
#include <SQLiteCpp/Statement.h>
#include <SQLiteCpp/Transaction.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/crypto.h"
#include "core/expected.h"

namespace av::store {

class Database {
 public:
  // Opens a file that exists. Never creates, empties or repairs one: a file that is no database, or
  // is cut short, is kCorrupt and stays as it is.
  static Expected<Database> open(const std::filesystem::path& path);
  // One more connection to a file that this process has open. open() would look at the file first,
  // and closing that look would give back, unasked, every lock that the other connection holds
  // (POSIX locks belong to the process): the next process to close the store would take itself for
  // the last one and remove the log under our feet.
  static Expected<Database> join(const std::filesystem::path& path) { return connect(path, false); }
  // Makes a new empty database, 0600; kExists when there is a file.
  static Expected<Database> create(const std::filesystem::path& path);

  // Runs `body` (which returns an Expected) in a transaction; commits when it returns a value,
  // rolls back when it returns an error or SQLite fails. `what` begins the message: "cannot save
  // ...".
  template <typename F>
  std::invoke_result_t<F> write(std::string_view what, F&& body) {
    return in_transaction(what, SQLite::TransactionBehavior::IMMEDIATE, std::forward<F>(body));
  }
  // The same for reading: everything `body` sees is one state of the store.
  template <typename F>
  std::invoke_result_t<F> read(std::string_view what, F&& body) {
    return in_transaction(what, SQLite::TransactionBehavior::DEFERRED, std::forward<F>(body));
  }
  // Without a transaction, for pragmas.
  template <typename F>
  std::invoke_result_t<F> plain(std::string_view what, F&& body) {
    try {
      return std::forward<F>(body)();
    } catch (const SQLite::Exception& e) {
      return unexpected(translate(what, e));
    }
  }

  // For use inside `body` only: these throw SQLite::Exception.
  [[nodiscard]] SQLite::Statement prepare(const char* sql) { return {*db_, sql}; }
  void exec(const char* sql) { db_->exec(sql); }
  void exec(const std::string& sql) { db_->exec(sql); }
  [[nodiscard]] std::int64_t integer(const char* sql) { return db_->execAndGet(sql).getInt64(); }
  [[nodiscard]] std::int64_t last_id() const { return db_->getLastInsertRowid(); }

  // Moves the log into the file and empties it, so that replaced key material does not linger.
  // Best effort: a reader in another process may hold it up.
  void truncate_log() noexcept;

 private:
  Database(std::filesystem::path path, std::unique_ptr<SQLite::Database> db)
      : path_(std::move(path)), db_(std::move(db)) {}
  static Expected<Database> connect(const std::filesystem::path& path, bool fresh);

  template <typename F>
  std::invoke_result_t<F> in_transaction(std::string_view what,
                                         SQLite::TransactionBehavior behavior, F&& body) {
    try {
      SQLite::Transaction transaction(*db_, behavior);
      auto result = std::forward<F>(body)();
      if (result) {
        transaction.commit();
      }
      return result;
    } catch (const SQLite::Exception& e) {
      return unexpected(translate(what, e));
    }
  }

  [[nodiscard]] Error translate(std::string_view what, const SQLite::Exception& e) const;

  std::filesystem::path path_;
  std::unique_ptr<SQLite::Database> db_;
};

// The code, message and hint for a result code of SQLite; `os_error` is the errno behind it or 0.
[[nodiscard]] Error sqlite_error(std::string_view what, int extended_code, std::string_view detail,
                                 int os_error, const std::filesystem::path& path);

inline void put(SQLite::Statement& statement, int index, std::string_view text) {
  statement.bind(index, std::string(text));
}
inline void put(SQLite::Statement& statement, int index, std::int64_t number) {
  statement.bind(index, number);
}
inline void put(SQLite::Statement& statement, int index, std::uint64_t number) {
  statement.bind(index, static_cast<std::int64_t>(number));
}
void put(SQLite::Statement& statement, int index, const crypto::Bytes& blob);
[[nodiscard]] crypto::Bytes blob(const SQLite::Column& column);
[[nodiscard]] inline crypto::Bytes bytes_of(const crypto::Digest& digest) {
  return {digest.begin(), digest.end()};
}
[[nodiscard]] crypto::Digest digest_of(const SQLite::Column& column);
// The index finds a row by bytes of a SHA-256. How long that takes may depend on how much of the
// hash is right, but nobody can aim at a hash: to get its first bytes right one must try tokens,
// and that tells nothing of the 256 random bits of the one that is meant. What was found is
// compared again, in constant time and as a whole.
[[nodiscard]] bool is_hash(const SQLite::Column& column, const crypto::Digest& hash);
[[nodiscard]] inline std::uint64_t unsigned_of(const SQLite::Column& column) {
  return static_cast<std::uint64_t>(column.getInt64());
}

}  // namespace av::store
