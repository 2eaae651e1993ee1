#include "cmd/login_capture.h"

#include <algorithm>
#include <utility>

#include "cmd/login_fault.h"

namespace av::cmd {
namespace {

using proxy::Fault;
using proxy::LoginReply;
using proxy::LoginStep;

LoginReply refusal(std::string_view code, std::string_view words) {
  LoginReply out;
  out.status = 400;  // RFC 6749 section 5.2
  out.body = oauth::refusal_json(code, words);
  out.detail = "a login, answered by the broker: " + std::string(code);
  return out;
}

LoginReply pending() {
  return refusal("authorization_pending", "agent-vault waits for the owner of the vault");
}

LoginStep answered(LoginReply reply) {
  LoginStep out;
  out.what = LoginStep::What::kAnswer;
  out.reply = std::move(reply);
  return out;
}

bool is_local(const std::vector<proxy::LocalLogin>& logins, const oauth::LoginEndpoint& endpoint,
              std::string& answer) {
  const auto found = std::find_if(logins.begin(), logins.end(), [&](const auto& one) {
    return one.host == endpoint.host && one.path == endpoint.path;
  });
  if (found == logins.end()) {
    return false;
  }
  answer = found->answer;
  return true;
}

std::string url_of(const vault::RequestIdentity& identity) {
  return "https://" + identity.authority.host + identity.target.path;
}

}  // namespace

LoginCapture::LoginCapture(Options options, const Clock& clock)
    : options_(std::move(options)), clock_(clock), watching_(options_.capture) {
  if (watching_) {
    (void)oauth::login_endpoints();  // now, and not while the first request waits
  }
  if (options_.placeholders != nullptr) {
    for (const auto& [key, text] : *options_.placeholders) {
      placeholders_.emplace_back(text, key);
    }
  }
  options_.placeholders = nullptr;
}

void LoginCapture::take_kept(const std::vector<store::Store::OauthInfo>& credentials,
                             const Placeholders& placeholders) {
  const std::lock_guard lock(mutex_);
  for (const store::Store::OauthInfo& info : credentials) {
    const vault::OauthClient& client = info.status.client;
    const auto placeholder = placeholders.find(info.key);
    if (label_of(client, kCapturedLabel).empty() || placeholder == placeholders.end()) {
      continue;
    }
    if (const auto* const endpoint = oauth::find_login_endpoint(client.token_url)) {
      known_.push_back({group_of(*endpoint),
                        {placeholder->second},
                        oauth::refreshed_answer(placeholder->second, placeholder->second,
                                                info.status.granted_scopes)});
      watching_ = true;
    }
  }
}

std::vector<std::string> LoginCapture::uncaptured() {
  std::set<std::string> titles;
  const std::lock_guard lock(mutex_);
  for (const auto& [host, path] : passed_) {
    vault::RequestIdentity identity;
    identity.authority = {host, 443};
    identity.target.path = path;
    const oauth::LoginEndpoint* const endpoint = oauth::find_login_endpoint(identity);
    std::string answer;
    if (endpoint != nullptr && !is_local(options_.local, *endpoint, answer)) {
      titles.insert(endpoint->title);
    }
  }
  return {titles.begin(), titles.end()};
}

// What it was is found out when somebody wants to know.
void LoginCapture::note_passed(const vault::RequestIdentity& identity) {
  const std::string& path = identity.target.path;
  if (identity.method == "POST" && identity.authority.port == 443 &&
      (path.find("token") != std::string::npos || path.find("oauth") != std::string::npos)) {
    const std::lock_guard lock(mutex_);
    if (passed_.size() < kMostKnown) {
      passed_.emplace(identity.authority.host, path);
    }
  }
}

bool LoginCapture::concerns(const vault::RequestIdentity& identity) {
  if (!watching_) {
    note_passed(identity);
    return false;
  }
  const oauth::LoginEndpoint* const endpoint = oauth::find_login_endpoint(identity);
  if (endpoint == nullptr) {
    return false;
  }
  if (options_.capture) {
    return true;
  }
  std::string answer;
  if (is_local(options_.local, *endpoint, answer)) {
    return false;
  }
  {
    const std::lock_guard lock(mutex_);
    if (std::any_of(known_.begin(), known_.end(),
                    [&](const Known& one) { return one.group == group_of(*endpoint); })) {
      return true;
    }
  }
  note_passed(identity);
  return false;
}

proxy::Outcome<LoginStep> LoginCapture::look(const proxy::LoginText& text) {
  const oauth::LoginEndpoint* const endpoint = oauth::find_login_endpoint(text.identity);
  if (endpoint == nullptr || text.identity.method == "OPTIONS") {
    return LoginStep();
  }
  proxy::Outcome<LoginStep> step = LoginStep();
  {
    const std::lock_guard lock(mutex_);
    step = look_locked(*endpoint, text);
  }
  if (!options_.capture && (!step || step->what == LoginStep::What::kPass)) {
    note_passed(text.identity);
    return LoginStep();
  }
  return step;
}

proxy::Outcome<LoginStep> LoginCapture::look_locked(const oauth::LoginEndpoint& endpoint,
                                                    const proxy::LoginText& text) {
  if (text.identity.method != "POST") {
    return not_captured("a login is a POST");
  }
  if (!text.trouble.empty()) {
    return not_captured("this login cannot be read: " + std::string(text.trouble));
  }
  oauth::LoginText asked;
  asked.content_type = text.content_type;
  asked.authorization = text.authorization;
  asked.body = text.body;
  if (text.identity.target.has_query) {
    asked.query = text.identity.target.query;
  }
  auto request = oauth::read_login(asked);
  if (!request) {
    return not_captured("this login cannot be kept: " + request.error().message);
  }
  LoginReply local;
  if (request->grant == oauth::LoginGrant::kRefresh &&
      is_local(options_.local, endpoint, local.body)) {
    local.detail = "a stand-in login, answered by the broker";
    return answered(std::move(local));
  }
  if (!request->stand_in.empty()) {
    return answered(answer_refresh(endpoint, *request));
  }
  if (!options_.capture) {
    return LoginStep();
  }
  const auto known = logins_.find(request->mark);
  if (known != logins_.end()) {
    return step_of(known->second, known->first);
  }
  return begin(endpoint, text, std::move(*request));
}

// A program may have what an earlier run gave it: of any login at this provider then, the newest.
// What was given for another provider is nobody's here.
LoginReply LoginCapture::answer_refresh(const oauth::LoginEndpoint& endpoint,
                                        const oauth::LoginRequest& request) const {
  const Known* newest = nullptr;
  for (const Known& one : known_) {
    const bool ours = one.group == group_of(endpoint);
    const bool named = std::any_of(
        one.placeholders.begin(), one.placeholders.end(),
        [&](const std::string& text) { return request.stand_in.find(text) != std::string::npos; });
    if (named && !ours) {
      return refusal("invalid_grant", "this stand-in is for another provider");
    }
    newest = ours ? &one : newest;
    if (named) {
      break;
    }
  }
  if (newest == nullptr) {
    return refusal("invalid_grant", "this stand-in stands for nothing any more: log in again");
  }
  LoginReply out;
  out.body = newest->answer;
  out.detail = "a stand-in login, answered by the broker";
  return out;
}

proxy::Outcome<LoginStep> LoginCapture::step_of(const Login& login, const std::string& mark) {
  const bool device = login.request.grant == oauth::LoginGrant::kDevice;
  LoginStep capture;
  capture.what = LoginStep::What::kCapture;
  capture.login = mark;
  switch (login.state) {
    case State::kNew:
    case State::kAsking:
      return device ? answered(pending()) : std::move(capture);
    case State::kAllowed:
      return capture;
    case State::kUnderWay:
    case State::kAnswered:
      if (device) {
        return answered(pending());
      }
      return not_captured("this login is under way already");
    case State::kKept:
      return answered(login.reply);
    case State::kRefused:
      break;
  }
  return login.refusal;
}

proxy::Outcome<LoginStep> LoginCapture::begin(const oauth::LoginEndpoint& endpoint,
                                              const proxy::LoginText& text,
                                              oauth::LoginRequest request) {
  const auto asking = std::count_if(logins_.begin(), logins_.end(), [](const auto& item) {
    return item.second.state == State::kNew || item.second.state == State::kAsking;
  });
  if (static_cast<std::size_t>(asking) >= kMostAsking || logins_.size() >= kMostKnown) {
    Fault full =
        login_fault(429, "approval_queue_full", "too many logins of this run wait for an answer",
                    "the owner of the vault decides with: agent-vault approval list");
    full.retry_after = kAskMs / 1000;
    return full;
  }
  const std::string mark = request.mark;
  Login& login = logins_[mark];
  login.endpoint = &endpoint;
  login.url = url_of(text.identity);
  login.method = text.identity.method;
  login.request = std::move(request);
  login.since_ms = clock_.wall_ms();
  return step_of(login, mark);
}

void LoginCapture::abandon(const std::string& login) {
  const std::lock_guard lock(mutex_);
  const auto found = logins_.find(login);
  if (found != logins_.end() && found->second.state == State::kUnderWay) {
    found->second.state = State::kAllowed;
  }
}

void LoginCapture::consent(const std::string& login, Consent done) {
  proxy::Outcome<void> said = not_captured("this login was forgotten");
  Consent oldest;
  {
    const std::lock_guard lock(mutex_);
    const auto found = logins_.find(login);
    if (found != logins_.end()) {
      Login& known = found->second;
      switch (known.state) {
        case State::kNew:
        case State::kAsking:
          known.waiting.push_back(std::move(done));
          if (known.waiting.size() <= kMostWaiting) {
            return;
          }
          oldest = std::move(known.waiting.front());
          known.waiting.erase(known.waiting.begin());
          break;
        case State::kAllowed:
          known.state = State::kUnderWay;
          said = proxy::Outcome<void>();
          break;
        case State::kRefused:
          said = known.refusal;
          break;
        case State::kUnderWay:
        case State::kAnswered:
        case State::kKept:
          said = not_captured("this login is under way already");
          break;
      }
    }
  }
  if (oldest) {
    (void)oldest(not_captured("the program has sent this login again and again"));
  } else if (said) {
    (void)offer(login, done);
  } else {
    (void)done(std::move(said));
  }
}

// Tells somebody that he may redeem it, now that it is under way; false when he has left, and it is
// as before.
bool LoginCapture::offer(const std::string& login, const Consent& to) {
  const bool taken = to(proxy::Outcome<void>());
  if (!taken) {
    abandon(login);
  }
  return taken;
}

void LoginCapture::keep(const std::string& login, proxy::LoginAnswer answer, Kept done) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = logins_.find(login);
    if (found != logins_.end()) {
      found->second.state = State::kAnswered;
      found->second.answer = std::move(answer);
      found->second.done = std::move(done);
      return;
    }
  }
  done(not_kept("this login was forgotten"));
}

}  // namespace av::cmd
