"""Every way out that the settings configure: the live senders, and those of exercises, which share nothing with them."""

from __future__ import annotations

from alerts.channels.fcm import Fcm, FcmConfig
from alerts.channels.ports import Sender
from alerts.channels.twilio_account import TwilioConfig
from alerts.channels.twilio_sms import TwilioSms
from alerts.settings import Settings


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
        senders.append(TwilioSms(config))
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
    return tuple(senders)


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
        senders.append(TwilioSms(config))
    if exercise.fcm_project and exercise.fcm_base_url:
        token = exercise.fcm_static_token.get_secret_value()
        senders.append(Fcm(FcmConfig(project=exercise.fcm_project, static_token=token, base_url=exercise.fcm_base_url)))
    return tuple(senders)
