#include "kek/tpm_library.h"

#include "kek/library.h"

namespace av::kek {
namespace {

Expected<TpmLibrary> bind_all() {
  AV_TRY(const Library loader, Library::load("libtss2-tctildr.so.0", "libtss2-tctildr0"));
  AV_TRY(const Library esys, Library::load("libtss2-esys.so.0", "libtss2-esys-3.0.2-0"));
  AV_TRY(const Library mu, Library::load("libtss2-mu.so.0", "libtss2-mu0"));
  TpmLibrary api;
  AV_CHECK(loader.bind(api.tcti_open, "Tss2_TctiLdr_Initialize"));
  AV_CHECK(loader.bind(api.tcti_close, "Tss2_TctiLdr_Finalize"));
  AV_CHECK(esys.bind(api.initialize, "Esys_Initialize"));
  AV_CHECK(esys.bind(api.finalize, "Esys_Finalize"));
  AV_CHECK(esys.bind(api.create_primary, "Esys_CreatePrimary"));
  AV_CHECK(esys.bind(api.start_session, "Esys_StartAuthSession"));
  AV_CHECK(esys.bind(api.set_attributes, "Esys_TRSess_SetAttributes"));
  AV_CHECK(esys.bind(api.set_auth, "Esys_TR_SetAuth"));
  AV_CHECK(esys.bind(api.create, "Esys_Create"));
  AV_CHECK(esys.bind(api.load_object, "Esys_Load"));
  AV_CHECK(esys.bind(api.unseal, "Esys_Unseal"));
  AV_CHECK(esys.bind(api.flush, "Esys_FlushContext"));
  AV_CHECK(esys.bind(api.free, "Esys_Free"));
  AV_CHECK(mu.bind(api.put_public, "Tss2_MU_TPM2B_PUBLIC_Marshal"));
  AV_CHECK(mu.bind(api.get_public, "Tss2_MU_TPM2B_PUBLIC_Unmarshal"));
  AV_CHECK(mu.bind(api.put_private, "Tss2_MU_TPM2B_PRIVATE_Marshal"));
  AV_CHECK(mu.bind(api.get_private, "Tss2_MU_TPM2B_PRIVATE_Unmarshal"));
  return api;
}

}  // namespace

Expected<const TpmLibrary*> TpmLibrary::load() {
  static const Expected<TpmLibrary> loaded = bind_all();
  if (!loaded) {
    return loaded.error();
  }
  return &*loaded;
}

}  // namespace av::kek
