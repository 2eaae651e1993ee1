#include "api/provider_pool.h"

namespace av::api {

ProviderPool::ProviderPool(Open open)
    : open_(std::move(open)),
      threads_("av-provider", {kThreads, kMaxQueued}, [this] { return begin(); }) {}

TaskThreads<ProviderTask>::Work ProviderPool::begin() const {
  const auto http = std::make_shared<std::unique_ptr<oauth::HttpPort>>();
  return [this, http](ProviderTask& task) {
    if (!task.begin()) {
      return;
    }
    Expected<oauth::HttpPort*> port = http->get();
    if (*http == nullptr) {
      auto opened = open_();
      if (opened) {
        *http = std::move(*opened);
        port = http->get();
      } else {
        port = std::move(opened.error());
      }
    }
    task.run(std::move(port));
    task.end();
  };
}

}  // namespace av::api
