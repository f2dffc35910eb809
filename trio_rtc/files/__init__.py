"""Files and folders over a call: `send_files` and `receive_files`."""

from .file_receiving import receive_files as receive_files
from .file_sending import send_files as send_files
from .transfer import FileOffer as FileOffer
from .transfer import FileProgress as FileProgress
