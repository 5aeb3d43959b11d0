"""Every way out that the settings configure: the live senders, and those of exercises, which share nothing with them."""

from __future__ import annotations

from dataclasses import replace

from alerts.channels.email_smtp import EmailSmtp, SmtpConfig
from alerts.channels.fcm import Fcm, FcmConfig
from alerts.channels.generic_sms import GenericSms, GenericSmsConfig
from alerts.channels.ports import Sender
from alerts.channels.push_services import EndpointPolicy
from alerts.channels.roaming import ANSWERED, ASKED, RoamingConfig, RoamingHttp, RoamingOperator, read_places
from alerts.channels.sms_dialect import described_providers, read_dialect
from alerts.channels.twilio_account import TwilioConfig
from alerts.channels.twilio_sms import TwilioSms
from alerts.channels.twilio_voice import TwilioVoice
from alerts.channels.twilio_whatsapp import TwilioWhatsApp
from alerts.channels.web_push import WebPush, WebPushConfig
from alerts.settings import Mode, Settings
from alerts.settings_groups import Email, Sms2, Voice, WhatsApp
from alerts.settings_groups import WebPush as WebPushGroup


def live_senders(settings: Settings) -> tuple[Sender, ...]:
    """The senders of Actual messages, per channel in order of preference. Build them in the process that uses them."""
    senders: list[Sender] = []
    twilio, fcm, connections = settings.twilio, settings.fcm, settings.delivery.concurrency
    if twilio.account_sid:
        config = TwilioConfig(
            account_sid=twilio.account_sid,
            auth_token=twilio.auth_token.get_secret_value(),
            from_=twilio.from_,
            messaging_service_sid=twilio.messaging_service_sid,
            base_url=twilio.base_url,
            timeout_seconds=twilio.timeout_seconds,
            connections=connections,
        )
        senders += [TwilioSms(config), *_of_account(config, settings.whatsapp, settings.voice)]
    senders += _described(settings, settings.sms2)
    if fcm.project:
        push = FcmConfig(
            project=fcm.project,
            credentials_file=fcm.credentials_file,
            static_token=fcm.static_token.get_secret_value(),
            base_url=fcm.base_url,
            timeout_seconds=fcm.timeout_seconds,
            connections=connections,
        )
        senders.append(Fcm(push))
    return (*senders, *_browser_and_mail(settings, settings.web_push, settings.email))


def exercise_senders(settings: Settings) -> tuple[Sender, ...]:
    """The senders of Exercise messages: accounts of their own, which the settings keep apart from the live ones."""
    senders: list[Sender] = []
    exercise = settings.exercise
    if exercise.twilio_account_sid and exercise.twilio_base_url:
        config = TwilioConfig(
            account_sid=exercise.twilio_account_sid,
            auth_token=exercise.twilio_auth_token.get_secret_value(),
            from_=exercise.twilio_from,
            base_url=exercise.twilio_base_url,
        )
        senders += [TwilioSms(config), *_of_account(config, settings.exercise_whatsapp, settings.exercise_voice)]
    senders += _described(settings, settings.exercise_sms2)
    if exercise.fcm_project and exercise.fcm_base_url:
        push = FcmConfig(
            project=exercise.fcm_project,
            credentials_file=exercise.fcm_credentials_file,
            static_token=exercise.fcm_static_token.get_secret_value(),
            base_url=exercise.fcm_base_url,
        )
        senders.append(Fcm(push))
    return (*senders, *_browser_and_mail(settings, settings.exercise_web_push, settings.exercise_email))


def endpoint_policy(settings: Settings, group: WebPushGroup | None = None) -> EndpointPolicy:
    """Which push services are believed: the known ones and those of the group (the live one, unless told otherwise)."""
    hosts = (group or settings.web_push).extra_hosts
    return EndpointPolicy(extra_hosts=hosts, is_rehearsal=settings.mode is not Mode.PRODUCTION)


def _of_account(config: TwilioConfig, whatsapp: WhatsApp, voice: Voice) -> list[Sender]:
    """The other ways of a Twilio account, each with a number of its own."""
    ways: list[tuple[str, type[TwilioWhatsApp | TwilioVoice]]] = [(whatsapp.from_, TwilioWhatsApp), (voice.from_, TwilioVoice)]
    return [way(replace(config, from_=number, messaging_service_sid="")) for number, way in ways if number]


def _described(settings: Settings, group: Sms2) -> list[Sender]:
    """The second provider of texts. Raises ValueError that names what is wrong with its description."""
    if not group.url:
        return []
    config = GenericSmsConfig(
        dialect=described_providers(settings)[read_dialect(group.description).name].dialect,
        url=group.url,
        from_=group.from_,
        user=group.user,
        secret=group.secret.get_secret_value(),
        timeout_seconds=group.timeout_seconds,
        connections=settings.delivery.concurrency,
    )
    return [GenericSms(config)]


def _browser_and_mail(settings: Settings, web_push: WebPushGroup, email: Email) -> tuple[Sender, ...]:
    """The senders that live and exercise settings describe by the same groups."""
    senders: list[Sender] = []
    if key := web_push.private_key.get_secret_value():
        config = WebPushConfig(
            private_key=key,
            subject=web_push.subject,
            policy=endpoint_policy(settings, web_push),
            longest_ttl_seconds=web_push.ttl_seconds,
            timeout_seconds=web_push.timeout_seconds,
            connections=settings.delivery.concurrency,
        )
        senders.append(WebPush(config))
    if email.host:
        server = SmtpConfig(
            host=email.host,
            port=email.port,
            from_=email.from_,
            tls=email.tls,
            username=email.username,
            password=email.password.get_secret_value(),
            timeout_seconds=email.timeout_seconds,
            connections=email.connections,
            ca_path=email.ca_path,
        )
        senders.append(EmailSmtp(server))
    return tuple(senders)


def find_roaming_operator(settings: Settings) -> RoamingOperator | None:
    """The home operator for phones that roam abroad, or None where none is set up. For Actual messages alone."""
    described = settings.roaming
    if not (described.operator and described.url):
        return None
    config = RoamingConfig(
        name=described.operator,
        url=described.url,
        token=described.token.get_secret_value(),
        fields=read_places(described.fields, ASKED, ("reference", "country", "text")),
        answers=read_places(described.answers, (*ANSWERED, "final"), ("ref", "as_of", "found")),
        timeout_seconds=described.timeout_seconds,
    )
    return RoamingHttp(config)
