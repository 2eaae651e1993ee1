#pragma once
// The functions of libsecret and GLib that the keyring needs, bound at use.

#include <libsecret/secret.h>

#include "core/expected.h"

namespace av::kek {

struct SecretLibrary {
  decltype(&secret_service_get_sync) service_get = nullptr;
  decltype(&secret_service_disconnect) disconnect = nullptr;
  decltype(&secret_service_search_sync) search = nullptr;
  decltype(&secret_service_store_sync) store = nullptr;
  decltype(&secret_service_clear_sync) clear = nullptr;
  decltype(&secret_item_get_locked) item_locked = nullptr;
  decltype(&secret_item_get_secret) item_secret = nullptr;
  decltype(&secret_value_new) value_new = nullptr;
  decltype(&secret_value_get) value_get = nullptr;
  decltype(&secret_value_unref) value_unref = nullptr;
  decltype(&g_hash_table_new) table_new = nullptr;
  decltype(&g_hash_table_insert) table_insert = nullptr;
  decltype(&g_hash_table_unref) table_unref = nullptr;
  decltype(&g_str_hash) str_hash = nullptr;
  decltype(&g_str_equal) str_equal = nullptr;
  decltype(&g_list_free_full) list_free_full = nullptr;
  decltype(&g_object_unref) object_unref = nullptr;
  decltype(&g_dbus_proxy_get_connection) connection_of = nullptr;
  decltype(&g_dbus_connection_set_exit_on_close) set_exit_on_close = nullptr;
  decltype(&g_error_free) error_free = nullptr;

  // Loads libsecret the first time. The object lives as long as the process.
  [[nodiscard]] static Expected<const SecretLibrary*> load();
};

}  // namespace av::kek
