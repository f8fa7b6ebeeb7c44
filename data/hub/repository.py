"""Send small files to a dataset repository on the Hugging Face Hub, in one commit that names all of them or none."""

from collections.abc import Mapping

from data.hub.account import HubError, check_repository_name, choose_transfer, explained, sign_in
from data.hub.download import host


def push_files(repo: str, files: Mapping[str, bytes], *, message: str, private: bool = False) -> str:
    """Create the dataset where it is not there, and commit the files; returns its page at that commit.

    Raises:
        HubError: A bad name, no right to write, or no connection.
    """
    choose_transfer()
    check_repository_name(repo)
    from huggingface_hub import CommitOperationAdd

    api = sign_in(repo)
    with explained(repo):
        api.create_repo(repo, repo_type="dataset", private=private or None, exist_ok=True)
        if private and not api.repo_info(repo, repo_type="dataset").private:
            raise HubError(f"{repo} is there already and public; make it private on its page, or drop --private")
        additions = [CommitOperationAdd(name, content) for name, content in files.items()]
        commit = api.create_commit(repo, additions, commit_message=message, repo_type="dataset")
    return f"{host()}/datasets/{repo}/tree/{commit.oid}"
