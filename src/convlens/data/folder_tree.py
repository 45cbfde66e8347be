"""Folder tree: the folders below a folder of images, each listed once."""

from pathlib import Path

from convlens.data.walk import only_documents, subfolders


class FolderTree:
    """What lies in folders, remembered: finding the class folders asks for it many times, and disks are slow."""

    def __init__(self, root: Path) -> None:
        """Raises OSError where the root cannot be listed."""
        self._inner = {root: subfolders(root)}
        self._of_documents: dict[Path, bool] = {}

    def inner(self, folder: Path) -> list[Path]:
        """As `subfolders`; none of one that cannot be listed, which is told of when its files are looked for."""
        if folder not in self._inner:
            try:
                self._inner[folder] = subfolders(folder)
            except OSError:
                self._inner[folder] = []
        return self._inner[folder]

    def with_images(self, folder: Path) -> list[Path]:
        """The folders in it, but for those that hold nothing but documents, such as annotations."""
        return [path for path in self.inner(folder) if not self._holds_documents(path)]

    def _holds_documents(self, folder: Path) -> bool:
        if folder not in self._of_documents:
            self._of_documents[folder] = only_documents(folder)
        return self._of_documents[folder]
