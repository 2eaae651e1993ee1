#pragma once
// The functions of tpm2-tss that are used, bound at use.

#include <tss2_esys.h>
#include <tss2_mu.h>
#include <tss2_tctildr.h>

#include "core/expected.h"

namespace av::kek {

struct TpmLibrary {
  decltype(&Tss2_TctiLdr_Initialize) tcti_open = nullptr;
  decltype(&Tss2_TctiLdr_Finalize) tcti_close = nullptr;
  decltype(&Esys_Initialize) initialize = nullptr;
  decltype(&Esys_Finalize) finalize = nullptr;
  decltype(&Esys_CreatePrimary) create_primary = nullptr;
  decltype(&Esys_StartAuthSession) start_session = nullptr;
  decltype(&Esys_TRSess_SetAttributes) set_attributes = nullptr;
  decltype(&Esys_TR_SetAuth) set_auth = nullptr;
  decltype(&Esys_Create) create = nullptr;
  decltype(&Esys_Load) load_object = nullptr;
  decltype(&Esys_Unseal) unseal = nullptr;
  decltype(&Esys_FlushContext) flush = nullptr;
  decltype(&Esys_Free) free = nullptr;
  decltype(&Tss2_MU_TPM2B_PUBLIC_Marshal) put_public = nullptr;
  decltype(&Tss2_MU_TPM2B_PUBLIC_Unmarshal) get_public = nullptr;
  decltype(&Tss2_MU_TPM2B_PRIVATE_Marshal) put_private = nullptr;
  decltype(&Tss2_MU_TPM2B_PRIVATE_Unmarshal) get_private = nullptr;

  // Loads the libraries the first time. The object lives as long as the process.
  [[nodiscard]] static Expected<const TpmLibrary*> load();
};

}  // namespace av::kek
